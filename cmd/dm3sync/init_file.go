package main

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/internal/setup"
)

// initAnswers are the flags of init, in the shape of the file that they make.
type initAnswers struct {
	setup.Answers
	NoCheck bool
	Ask     bool
}

func (a *initAnswers) register(flags *pflag.FlagSet) {
	flags.StringVar(&a.Name, "name", "", "the account's dm3 `NAME`")
	flags.StringVar(&a.SecretFile, "secret-file", "", "`FILE` with the account's secret")
	flags.StringVar(&a.Form, "form", "", "the `FORM` of the secret: storage-key (default), signature, wallet-key")
	flags.StringVar(&a.Nonce, "nonce", "", "`NONCE` of the creation message (with --form wallet-key; default: upstream's)")
	flags.BoolVar(&a.NewWallet, "new-wallet", false, "make a new wallet and write its key to --secret-file")
	flags.StringVar(&a.Data, "data", "", "`FOLDER` for cache, journal and socket (default: the user's data folder)")
	flags.BoolVar(&a.Ask, "ask", false, "ask for the answers, as on a terminal where no flags are given")
	flags.BoolVar(&a.NoCheck, "no-check", false, "don't ask the place for what dm3sync needs")
	flags.StringVar(&a.Folder, "folder", "", "keep the history in this `FOLDER`")
	flags.StringVar(&a.File, "file", "", "keep the history in this single `FILE`")
	flags.BoolVar(&a.Carried, "carried", false, "another program replicates the folder (Dropbox, Syncthing, Nextcloud, …)")
	flags.StringVar(&a.Bucket, "bucket", "", "keep the history in this S3 `BUCKET`")
	flags.StringVar(&a.Endpoint, "endpoint", "", "`URL` of the S3 service, or of the Drive API (default: AWS, Google)")
	flags.StringVar(&a.Region, "region", "", "`REGION` of the bucket")
	flags.StringVar(&a.Prefix, "prefix", "", "`PREFIX` of the objects in the bucket")
	flags.BoolVar(&a.PathStyle, "path-style", false, "address the bucket in the path, as many S3 services need")
	flags.StringVar(&a.AccessKeyID, "access-key-id", "", "`ID` of the S3 access key")
	flags.StringVar(&a.S3SecretFile, "s3-secret-file", "", "`FILE` with the S3 secret access key")
	flags.StringVar(&a.URL, "url", "", "keep the history in the WebDAV collection with this `URL` (Nextcloud, ownCloud, a NAS, …)")
	flags.StringVar(&a.Node, "node", "", "keep the history at the dm3 node whose backend has this `URL`")
	flags.StringVar(&a.Username, "username", "", "`NAME` of the user for the WebDAV server, or for a proxy before the IPFS node, or the account's other name at the dm3 node")
	flags.StringVar(&a.PasswordFile, "password-file", "", "`FILE` with the WebDAV password (an app password, best) or bearer token; the same for IPFS; or the database role's password")
	flags.StringVar(&a.Auth, "auth", "", "`KIND` of WebDAV login: auto (default), basic, digest, bearer, none")
	flags.StringVar(&a.ClientCertificateFile, "client-certificate-file", "", "PEM `FILE` with the certificate to show to the WebDAV server or the database")
	flags.StringVar(&a.ClientKeyFile, "client-key-file", "", "PEM `FILE` with its key")
	flags.StringVar(&a.DSN, "dsn", "", "keep the history in the PostgreSQL database at this `ADDRESS`: postgres://user@host:port/database, without a password")
	flags.StringVar(&a.ClientID, "client-id", "", "keep the history on Google Drive, with your OAuth client of this `ID`")
	flags.StringVar(&a.ClientSecretFile, "client-secret-file", "", "`FILE` with the OAuth client's secret")
	flags.StringVar(&a.Space, "space", "", "`SPACE` on Drive: files (default: a visible folder) or appdata (hidden)")
	flags.StringVar(&a.DriveFolder, "drive-folder", "", "`NAME` of the visible folder (default dm3sync)")
	flags.StringVar(&a.SharedDrive, "shared-drive", "", "`ID` of a shared drive")
	flags.StringVar(&a.IPFS, "ipfs", "", "keep the history on IPFS, through the Kubo node with this RPC `ADDRESS` (local: http://127.0.0.1:5001)")
	flags.IntVar(&a.Device, "device", 0, "this device's `NUMBER` on IPFS, from 1 on: no two devices of an account may have the same")
	flags.StringVar(&a.PinService, "pin-service", "", "a remote pinning service, by the `NAME` that the node has for it")
	flags.StringVar(&a.CAFile, "ca-file", "", "PEM `FILE` with further certificate authorities")
	flags.StringVar(&a.Proxy, "proxy", "", "`ADDRESS` of a proxy (default: HTTPS_PROXY and so on)")
}

// writeConfig writes the file, valid or not at all, and the new wallet where one
// was asked for.
func (p *program) writeConfig(file string, a *initAnswers) (done []string, err error) {
	if missing := a.missing(); missing != "" {
		return nil, usagef("there is no configuration file %s yet; to write one, init needs %s", file, missing)
	}
	if err := a.onePlace(); err != nil {
		return nil, err
	}
	if err := a.foreignSecret(); err != nil {
		return nil, err
	}
	if a.NewWallet && a.Form != "" && a.Form != string(keyring.FormWalletKey) {
		return nil, usagef("--new-wallet makes a wallet-key, not a %s", a.Form)
	}
	a.ExpandHome(p.getenv("HOME"))
	if _, err := os.Stat(a.SecretFile); !a.NewWallet && errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("there is no file %s; --secret-file names the file that holds the account's storage key, or what --form says; to try things out, --new-wallet makes a wallet", a.SecretFile)
	}
	return setup.Write(file, &a.Answers, p.environ)
}

// missing are the flags that a new configuration can't do without, and that were not given.
func (a *initAnswers) missing() string {
	var flags []string
	if a.Name == "" && !a.NewWallet {
		flags = append(flags, "--name (or --new-wallet)")
	}
	if a.SecretFile == "" {
		flags = append(flags, "--secret-file")
	}
	if len(a.Kinds()) == 0 {
		flags = append(flags, "one of --folder, --bucket, --url (WebDAV), --client-id (Google Drive), --ipfs, --dsn (PostgreSQL), --node (dm3 node) and --file (a single file)")
	}
	if last := len(flags) - 1; last > 0 {
		flags[last] = "and " + flags[last]
	}
	return strings.Join(flags, ", ")
}

// onePlace refuses several places at once.
func (a *initAnswers) onePlace() error {
	if kinds := a.Kinds(); len(kinds) > 1 {
		return usagef("these flags name several places, of kind %s: choose one", strings.Join(kinds, " and "))
	}
	return nil
}

// foreignSecret refuses a secret of another kind of place than the one that was chosen.
func (a *initAnswers) foreignSecret() error {
	for _, secret := range []struct {
		flag, file string
		kinds      []string
	}{
		{"--s3-secret-file", a.S3SecretFile, []string{config.KindS3}},
		{"--password-file", a.PasswordFile, []string{config.KindWebDAV, config.KindIPFS, config.KindSQL}},
		{"--client-secret-file", a.ClientSecretFile, []string{config.KindDrive}},
	} {
		if secret.file != "" && !slices.Contains(secret.kinds, a.Kind()) {
			return usagef("%s goes only with a place of kind %s, and this one is of kind %s", secret.flag, strings.Join(secret.kinds, " or "), a.Kind())
		}
	}
	return nil
}
