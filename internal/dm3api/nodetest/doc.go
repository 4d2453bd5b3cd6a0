// Package nodetest is a double of a stock dm3 node's backend, for tests: the storage service, logins and profiles in memory,
// with the habits that were measured on the stock server.
//
//   - A batch with one identifier that is known is dropped whole, and answered as stored.
//   - Pages are numbered and shift while somebody writes; records of one time come in any order.
//   - Every failure inside, a body that is no JSON or too long, is answered as 404 with a web page.
//   - A name that can't be normalised ends the server: the double fails the test, and answers nothing.
//   - Records are counted over all accounts that use one name of a conversation.
//   - Two that make one conversation at one time make two of one name; hiding hides one of them.
//   - Challenges are taken again and again, for any account.
//   - Nothing is ever removed.
package nodetest
