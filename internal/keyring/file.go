package keyring

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// readFile reads a secret file and warns when others can read it too.
func readFile(path string, options *Options) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("keyring: %w: %w", ErrSource, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("keyring: %w: %w", ErrSource, err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("keyring: %w: %s is no regular file", ErrSource, path)
	}
	// Windows answers permission bits that mean nothing.
	if wide := info.Mode().Perm() & 0o077; wide != 0 && runtime.GOOS != "windows" && options.Warn != nil {
		options.Warn(fmt.Sprintf("others can read the secret in %s (mode %04o); run `chmod 600 %s`", path, info.Mode().Perm(), path))
	}
	data, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("keyring: %w: reading %s: %w", ErrSource, path, err)
	}
	if len(data) > maxSecret {
		return "", fmt.Errorf("keyring: %w: %s has more than %d bytes, so it is no secret of ours", ErrSource, path, maxSecret)
	}
	return string(data), nil
}

// readCredential reads a systemd credential. Its folder is guarded by the
// service manager, so its permissions are not judged.
func readCredential(name string, options *Options) (string, error) {
	folder, ok := lookup(options, "CREDENTIALS_DIRECTORY")
	if !ok || folder == "" {
		return "", fmt.Errorf("keyring: %w: credential %s: CREDENTIALS_DIRECTORY is not set; start as a systemd service with LoadCredential=%s:/path/of/the/secret", ErrSource, name, name)
	}
	if name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return "", fmt.Errorf("keyring: %w: %q is no name of a credential", ErrSource, name)
	}
	text, err := readFile(filepath.Join(folder, name), &Options{})
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; with the unit of `dm3sync service print --system`, put the secret into /etc/credstore/dm3sync.%s and restart the service", err, name)
	}
	return text, err
}
