package storage

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate is a TLS certificate in two files, read again when they changed: they
// are renewed while the service runs.
type certificate struct {
	file, key string
	log       *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	changed [2]time.Time // when the files did, that current was read from
}

// newCertificate reads the files; what is wrong with them is an error now.
func newCertificate(file, key string, log *slog.Logger) (*certificate, error) {
	c := &certificate{file: file, key: key, log: log}
	return c, c.read()
}

func (c *certificate) read() error {
	changed, err := c.times()
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.file, c.key)
	if err != nil {
		return fmt.Errorf("storage: reading the certificate: %w", err)
	}
	c.current, c.changed = &pair, changed
	return nil
}

func (c *certificate) times() (changed [2]time.Time, err error) {
	for i, path := range []string{c.file, c.key} {
		info, failed := os.Stat(path)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("storage: reading the certificate: %w", failed))
			continue
		}
		changed[i] = info.ModTime()
	}
	return changed, err
}

// get is for tls.Config.GetCertificate. While new files can't be read, as in the middle
// of a renewal, the old certificate stays.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed, err := c.times()
	if err == nil && changed != c.changed {
		err = c.read()
	}
	if err != nil {
		c.log.Warn("the certificate's files can't be read; the one that was read before is used", "error", err)
	}
	return c.current, nil
}
