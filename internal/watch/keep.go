package watch

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/dm3sync/dm3sync/internal/files"
)

// FileName is the file in the data folder where an agent remembers what it has told.
const FileName = "watch.json"

// BeatOfAll is the key in Kept.Heartbeats of the heartbeat for all accounts.
const BeatOfAll = "all"

// Kept is what the file holds. It names nobody: accounts stand under salted hashes.
type Kept struct {
	Salt string `json:"salt"`
	// Accounts are by number, see Kept.Number.
	Accounts map[string]*Memory `json:"accounts"`
	// Heartbeats are by number, or BeatOfAll.
	Heartbeats map[string]Beat `json:"heartbeats,omitempty"`
}

// Beat is how the last call of a heartbeat went.
type Beat struct {
	At    time.Time `json:"at,omitzero"`
	Error string    `json:"error,omitempty"` // without the address
}

// Load reads the file. A missing one is a new one; a damaged one too, and the error
// says so. random gives the salt.
func Load(path string, random io.Reader) (*Kept, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newKept(random)
	}
	kept := &Kept{}
	if err == nil {
		err = json.Unmarshal(data, kept)
	}
	if err == nil && kept.Salt != "" {
		kept.complete()
		return kept, nil
	}
	if err == nil {
		err = errors.New("it has no salt")
	}
	kept, saltErr := newKept(random)
	return kept, errors.Join(fmt.Errorf("watch: reading what was told: %w", err), saltErr)
}

func newKept(random io.Reader) (*Kept, error) {
	salt := make([]byte, 16)
	_, err := io.ReadFull(random, salt)
	kept := &Kept{Salt: hex.EncodeToString(salt)}
	kept.complete()
	if err != nil {
		return kept, fmt.Errorf("watch: drawing a salt: %w", err)
	}
	return kept, nil
}

func (k *Kept) complete() {
	if k.Accounts == nil {
		k.Accounts = make(map[string]*Memory)
	}
	if k.Heartbeats == nil {
		k.Heartbeats = make(map[string]Beat)
	}
	for number, memory := range k.Accounts {
		if memory == nil {
			delete(k.Accounts, number)
			continue
		}
		for cause, known := range memory.Causes {
			if known == nil {
				delete(memory.Causes, cause)
			}
		}
	}
}

// Number stands for an account where its name is nobody's business: eight digits
// that are the same for the life of the data folder, and mean nothing elsewhere.
func (k *Kept) Number(account string) string {
	sum := sha256.Sum256([]byte(k.Salt + "\x00" + account))
	return hex.EncodeToString(sum[:4])
}

// memory is what is remembered of an account.
func (k *Kept) memory(account string) *Memory {
	number := k.Number(account)
	if k.Accounts[number] == nil {
		k.Accounts[number] = &Memory{}
	}
	return k.Accounts[number]
}

// Save writes the file, whole or not at all.
func (k *Kept) Save(path string) error {
	data, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("watch: writing what was told: %w", err)
	}
	if err := files.Replace(path, data, files.Private); err != nil {
		return fmt.Errorf("watch: writing what was told: %w", err)
	}
	return nil
}
