package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dm3sync/dm3sync/internal/files"
)

// TokenName is the token's file name inside the data folder.
const TokenName = "interface.token"

// secretBytes is the length of tokens, codes and cookies before they are
// written as text: 256 bits, beyond all guessing.
const secretBytes = 32

// ErrToken says that the token's file can't be used as it is.
var ErrToken = errors.New("the token of the interface can't be used")

// ReadToken reads the token at path; where there is none it makes one, readable
// for the user alone. random is where its bytes are drawn from.
func ReadToken(path string, random io.Reader) (string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return NewToken(path, random)
	}
	if err != nil {
		return "", fmt.Errorf("access: reading the token: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if decoded, err := base64.RawURLEncoding.DecodeString(token); err != nil || len(decoded) < secretBytes {
		return "", fmt.Errorf("access: %w: %s holds no token; `dm3sync token --new` makes one", ErrToken, path)
	}
	if err := os.Chmod(path, 0o600); err != nil { // a restored backup may have opened it
		return "", fmt.Errorf("access: guarding the token: %w", err)
	}
	return token, nil
}

// NewToken puts a new token in the place of the one at path, if there is one,
// and returns it. The file is whole at every moment.
func NewToken(path string, random io.Reader) (string, error) {
	token, err := newSecret(random)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("access: making the token's folder: %w", err)
	}
	if err := files.Replace(path, []byte(token+"\n"), files.Private); err != nil {
		return "", fmt.Errorf("access: writing the token: %w", err)
	}
	return token, nil
}

// newSecret draws a secret and writes it with characters that are safe in
// headers, cookies and addresses.
func newSecret(random io.Reader) (string, error) {
	secret := make([]byte, secretBytes)
	if _, err := io.ReadFull(random, secret); err != nil {
		return "", fmt.Errorf("access: drawing a secret: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(secret), nil
}

// digest is what is kept and compared in the place of a secret: equal lengths,
// and nothing that the time of a look-up could tell.
type digest [sha256.Size]byte

func digestOf(secret string) digest { return sha256.Sum256([]byte(secret)) }

// is compares in constant time.
func (d digest) is(other digest) bool { return subtle.ConstantTimeCompare(d[:], other[:]) == 1 }
