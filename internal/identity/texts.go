package identity

// DefaultNonce is the nonce that upstream's createProfile uses: sha("dm3_default_nonce"). Another
// nonce means other keys, and data that these keys cannot read.
const DefaultNonce = "0xa1b38837dd52e70a250ac2bf3e19f1599833e9d30662bf69a1c12e5747ed9f65"

const (
	paymentNotice = "(There is no paid transaction initiated. The signature is used off-chain only.)\n"
	origin        = "URI: https://dm3.chat\nVersion: 1\n"
)

// CreationMessage returns the exact text that a wallet signs to make the storage key
// (@dm3-org/dm3-lib-crypto, getStorageKeyCreationMessage). A valid address may come in any case and
// is written in EIP-55 form; anything else stands as it is. The nonce is a free text.
func CreationMessage(nonce, address string) string {
	return "dm3.chat wants you to sign in with your Ethereum account:\n" + shownAddress(address) + "\n\n" +
		"Connect the DM3 MESSENGER with your wallet. Keys for secure communication are derived from this signature.\n\n" +
		paymentNotice + "\n" + origin + "Nonce: " + nonce
}

// ProfileCreationMessage returns the exact text that a wallet signs to register a profile at a
// service (@dm3-org/dm3-lib-profile, getProfileCreationMessage). The profile is given in stringified
// form, see [UserProfile.Text]; the address as in [CreationMessage].
func ProfileCreationMessage(profile, address string) string {
	return "dm3.chat wants you register your dm3 profile with your Ethereum account:\n" + shownAddress(address) + "\n\n" +
		"This is required only once!\n" + paymentNotice + "\n" + origin + "dm3 Profile: " + profile
}

func shownAddress(address string) string {
	if checksummed, err := ChecksumAddress(address); err == nil {
		return checksummed
	}
	return address
}
