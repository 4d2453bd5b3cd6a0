package watch

import "errors"

// ErrNoDesktop says that there is no desktop to show a notice on, as on a server: no
// fault.
var ErrNoDesktop = errors.New("there is no desktop for notices")

// appName is what desktops show as the sender.
const appName = "dm3sync"
