package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/internal/config"
)

// credentialPrefix stands before the names of ours in the machine's store of credentials, as the unit has them.
const credentialPrefix = "dm3sync."

// credentialsOf are the systemd credentials that an account reads, each once.
func credentialsOf(account *config.Account) (names []string) {
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	add(account.Secret.Credential)
	for _, p := range account.Places() {
		add(p.SecretCredential)
	}
	return names
}

// elsewhere tells whether credentials are only given to the service: then this program can't read them, and that is as it
// should be.
func (s *Surroundings) elsewhere() bool {
	for _, entry := range s.Environ {
		if value, ok := strings.CutPrefix(entry, "CREDENTIALS_DIRECTORY="); ok && value != "" {
			return false
		}
	}
	return true
}

// credentials looks for an account's credentials where the unit of the machine takes them from.
func (s *Surroundings) credentials(account *config.Account) (found []Finding) {
	for _, name := range credentialsOf(account) {
		found = append(found, s.credential(name))
	}
	return found
}

func (s *Surroundings) credential(name string) Finding {
	plain, sealed := filepath.Join(s.Credstore, credentialPrefix+name), filepath.Join(s.Credstore+".encrypted", credentialPrefix+name)
	way := fmt.Sprintf("as root: install -d -m 700 %s && install -m 600 THE-SECRET %s, then restart the service; a drop-in may take it from elsewhere", s.Credstore, plain)
	info, err := os.Stat(plain)
	switch {
	case err == nil && info.Size() == 0:
		return wrong(way, "the credential %s is empty: %s", name, plain)
	case err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return wrong("run: chmod 600 "+plain, "others can read the credential %s: %s has mode %04o", name, plain, info.Mode().Perm())
	case err == nil:
		return fine("the credential %s lies in %s; the service reads it, this program can't", name, plain)
	case errors.Is(err, fs.ErrPermission):
		return note("run it as root: sudo dm3sync doctor", "whether there is a credential %s can't be seen by this user", name)
	}
	if _, err := os.Stat(sealed); err == nil {
		return fine("the credential %s lies sealed in %s; the service reads it where its drop-in says LoadCredentialEncrypted=%s:%s%s", name, sealed, name, credentialPrefix, name)
	}
	return wrong(way, "there is no credential %s in %s", name, s.Credstore)
}
