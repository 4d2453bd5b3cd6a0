// Package deliverytest is a double of a stock dm3 delivery service, and an app beside it, for tests: logins, and messages that wait, with the
// habits that were measured on the stock server.
//
//   - It shows 101 conversations at most, those with the newest message first, and of each the newest 1,001 messages.
//   - Showing removes nothing. An acknowledgement removes one copy, and is answered 200 when nothing matched.
//   - An envelope that is submitted again waits twice.
package deliverytest
