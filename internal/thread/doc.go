// Package thread folds the records of a conversation into what people see: an edit shows at the place of what it edits, a
// deletion empties it, reactions and receipts stand beside it, a reply knows what it answers. dm3 stores each of these as a
// message of its own and resolves them at display.
//
// It is pure: no storage, no clock, no output. [Builder] takes the records of a conversation in any order and keeps about
// 100 bytes of each, no texts; its [Index] then says what is shown, in the order of time, and which record has the text.
// [Fold] does both for records that are in memory at once, such as a page of a screen.
//
// Nobody checks a message's "from" here (signatures are the business of whoever brought it into the account), but an edit
// or a deletion counts only when its author is the author of what it names. What does not count is shown as what it is.
//
// Place in the import order: above container and identity, below history. It imports nothing else of the module.
package thread
