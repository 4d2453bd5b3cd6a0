// Package webtest is what tests of the page need: an agent that holds accounts in all states, with names and texts as hostile
// as anybody could send, a server on 127.0.0.1, and a real browser that tells what it complains of. Only tests may import it.
package webtest
