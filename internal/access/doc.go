// Package access decides who may use the local interface over loopback, where
// every program and every user of the machine can connect, and every web page
// can send requests through the user's browser.
//
// A [Gate] knows the credentials: one token in a file that only the user can
// read, for programs, and sessions of browsers, which begin with a link that is
// good once and ends in a cookie. Its Guard stands before the handler of one
// listener: it refuses foreign hosts and origins, asks for a credential, bounds
// sizes, rates and patience, and puts the headers that browsers obey on every
// answer. The unix socket (named pipe on Windows) needs none of this: there the
// file's permissions are the guard.
//
// Import order: at the ground; of this module it imports files and serving alone.
package access
