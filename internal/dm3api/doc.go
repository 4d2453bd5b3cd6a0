// Package dm3api is the wire format of a dm3 node, once for both sides: the storage service and the delivery service's
// pick-up as the stock servers speak it, with a [Client] for somebody else's node and a [Handler] for a node of one's own.
//
// Requests and answers are those that were measured on the stock servers. Their habits that a caller must know stand at
// the methods; the worst are that a batch is answered as stored when it was dropped, that every failure inside the server
// is answered as 404 with a web page, that pages are numbered and shift while somebody writes, and that a name that can't
// be normalised ends the server. So the client sends no such name, takes no 404 for absence, and reads pages until there
// are no more.
//
// The package imports nothing of the module: it knows neither keys nor the tree. It stands below the providers.
package dm3api
