package agent

import (
	"context"
	"fmt"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/keyring"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/all"
	"github.com/dm3sync/dm3sync/providers/local"
	"github.com/dm3sync/dm3sync/providers/s3"
)

// kindFolder is the configuration's word for package local.
const kindFolder = "folder"

// OpenProvider opens the place that an account's configuration names, without
// decorators. Secrets of the provider are read here; warn, which may be nil,
// gets sentences about badly guarded ones. The caller closes the store.
func OpenProvider(ctx context.Context, account config.Account, warn func(sentence string)) (providers.Store, error) {
	settings, err := providerSettings(account.Provider, warn)
	if err != nil {
		return nil, err
	}
	return all.Open(ctx, settings)
}

func providerSettings(p config.Provider, warn func(string)) (all.Settings, error) {
	settings := all.Settings{Kind: p.Kind}
	switch p.Kind {
	case kindFolder:
		settings.Kind = local.Kind
		settings.Local = all.Local{Path: p.Path, Options: local.Options{Carried: p.Carried, Parallel: p.Parallel}}
	case s3.Kind:
		settings.S3 = all.S3{Bucket: p.Bucket, Options: s3.Options{
			Endpoint:  p.Endpoint,
			Region:    p.Region,
			PathStyle: p.PathStyle,
			Prefix:    p.Prefix,
			AccessKey: p.AccessKeyID,
			CAFile:    p.CAFile,
			Proxy:     p.Proxy,
			Parallel:  p.Parallel,
		}}
		if p.Source().IsZero() {
			break
		}
		secret, err := keyring.Read(p.Source(), &keyring.Options{Warn: warn})
		if err != nil {
			return all.Settings{}, fmt.Errorf("agent: reading the provider's secret: %w", err)
		}
		settings.S3.Options.SecretKey = secret
	}
	return settings, nil
}
