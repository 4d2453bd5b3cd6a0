package config

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/dm3sync/dm3sync/internal/access"
)

// Defaults of the settings of [interface] that have one.
const (
	DefaultInterfaceRate  = 50.0
	DefaultInterfaceBurst = 200
)

// Interface is the [interface] table: how the agent answers browsers and
// programs of this machine, beside its socket.
type Interface struct {
	// Listen is an address of loopback and a port, such as 127.0.0.1:8485; empty:
	// the interface is open only while `dm3sync ui` needs it, on any free port.
	Listen string `toml:"listen"`
	// Origins are web pages that may use the interface when the user gives them
	// the token, such as "https://app.example.org"; none by default.
	Origins []string `toml:"origins"`
	// Rate and Burst are the requests a second, and at once, of one browser and of
	// the token; defaults 50 and 200.
	Rate  float64 `toml:"rate"`
	Burst int     `toml:"burst"`
	// Page is false when browsers may not come in; nil is true. HasPage gives the
	// one that counts.
	Page *bool `toml:"page"`
}

// HasPage tells whether there is a page for browsers.
func (i *Interface) HasPage() bool { return i.Page == nil || *i.Page }

func (i *Interface) complete() {
	setDefault(&i.Rate, DefaultInterfaceRate)
	setDefault(&i.Burst, DefaultInterfaceBurst)
}

// check returns sentences about what is wrong; empty ones say nothing.
func (i *Interface) check() []string {
	checks := []string{unless(i.Rate > 0 && i.Burst > 0, "interface: rate and burst must be positive")}
	if i.Listen != "" {
		_, err := access.ParseAddress(i.Listen)
		checks = append(checks, unless(err == nil, fmt.Sprintf(
			"interface.listen %q is not on loopback: use 127.0.0.1 or [::1] with a port, such as 127.0.0.1:8485; from elsewhere, forward the port with ssh", i.Listen)))
	}
	for _, origin := range i.Origins {
		checks = append(checks, unless(isOrigin(origin),
			fmt.Sprintf("interface.origins: %q is no origin; write it as browsers do, such as https://app.example.org, without a path", origin)))
	}
	return checks
}

// isOrigin tells whether a text is an origin as browsers write it.
func isOrigin(text string) bool {
	parsed, err := url.Parse(text)
	return err == nil && text != "" && validURL(text) && parsed.Scheme+"://"+parsed.Host == text && text == strings.ToLower(text) && !strings.ContainsAny(text, "*,; ")
}

// warn notes what works but is probably not meant.
func (i *Interface) warn() (sentences []string) {
	for _, origin := range i.Origins {
		if inTheOpen(origin) {
			sentences = append(sentences, fmt.Sprintf("interface.origins: %s is not https: whoever is on its way can change that page, and use the token that you give it", origin))
		}
	}
	return sentences
}
