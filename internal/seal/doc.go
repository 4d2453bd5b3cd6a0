// Package seal encrypts what leaves the program: the states of containers, and the values of the
// local cache. It also holds the encryption of the dm3 packages, for accounts that ask for it and for
// the dm3 storage service.
//
// # Compact form (version 1, frozen by testdata/compact.json)
//
//	offset  bytes  content
//	0       1      version, 0x01
//	1       8      key identifier: HKDF-SHA256(storage key, no salt, "dm3sync compact v1 key identifier")
//	9       24     random nonce
//	33      n+16   XChaCha20-Poly1305 ciphertext and tag
//
// The key is HKDF-SHA256(storage key, no salt, "dm3sync compact v1 key"), 32 bytes. The associated
// data is, for each of the version (1 byte), the kind (1 byte) and the container key (its text), the
// length as big-endian u32 and then the bytes. What is encrypted is
//
//	encoding (1 byte: 0 = body as it is, 1 = body is one zstd frame), body, 0x80, zeros
//
// padded (ISO 7816-4) to a multiple of a step. With size = 1 + len(body) + 1, the step is 2,048 up to
// a size of 65,536, and above that the largest power of two that is not more than size/32. So sizes
// above 64 KiB fall into 32 classes for each doubling, and padding adds about 1.2 % on average, 3.2 %
// at most. Opening accepts any amount of padding.
//
// Chunks are compressed unless [Options].NoCompression is set and unless it doesn't help; other kinds
// never are, because a stranger's chosen name beside secret names would make their size speak.
//
// # dm3 form
//
// The text that @dm3-org/dm3-lib-crypto writes: {"ciphertext":base64,"nonce":"0x.."}, ChaCha20-
// Poly1305 (IETF) under the storage key itself with a random nonce of 12 bytes, padding to 2,048, no
// associated data. Nothing in it tells the key or binds it to its place: whoever opens it must compare
// the identity inside the plaintext (the extra field) with what was asked for. It serves roots, conversations
// and chunks of accounts that ask for it; heads are always compact.
//
// # Records
//
// Version 0x01, 24 bytes of nonce, XChaCha20-Poly1305 under HKDF-SHA256(storage key, no salt,
// "dm3sync record v1 key"); associated data: the version and the record's name, framed as above.
//
// Place in the import order: ground. It imports container and no other package of this module.
package seal
