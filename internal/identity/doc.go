// Package identity turns a wallet into the keys of one dm3 account, and names into the one form in
// which they are hashed and listed.
//
// The way down is: wallet key -> signature of a fixed text ([CreationMessage]) -> storage key
// ([StorageKey]) -> profile ([FromStorageKey]: an X25519 and an Ed25519 pair). Every step is
// deterministic, so the same wallet and nonce give the same keys on every device. The rules are
// those of internal/docs/format.md part "Identity and keys" and are held to the published dm3
// packages by testdata/vectors.json.
//
// Place in the import order: ground. It imports container and no other package of this module; seal
// stands beside it, neither imports the other.
//
// All types are immutable after construction and safe for concurrent use. [WalletKey] and [Profile]
// hold secrets: they print as a placeholder, and no error of this package contains a key, a
// signature or a name.
package identity
