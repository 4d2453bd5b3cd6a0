package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/internal/bridge"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/internal/identity"
	"github.com/dm3sync/dm3sync/internal/keyring"
)

// appMain is a dm3 app in scripts: "app URL WALLETFILE NAME VERB [CONTACT [TEXT]]". The
// name "address" is that of the wallet's address.
func appMain() {
	if err := runApp(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// app is one invocation.
type app struct {
	*dm3api.Client
	url     string
	name    string
	wallet  identity.WalletKey
	profile identity.Profile
	codec   *bridge.Codec
}

func runApp(ctx context.Context, arguments []string) error {
	if len(arguments) < 4 {
		return errors.New("usage: app URL WALLETFILE NAME VERB [CONTACT [TEXT]]")
	}
	a := &app{url: arguments[0], name: arguments[2]}
	secret, err := keyring.Read(keyring.Source{File: arguments[1]}, nil)
	if err != nil {
		return err
	}
	if a.wallet, err = identity.ParseWalletKey(secret); err != nil {
		return err
	}
	key, err := keyring.Derive(keyring.FormWalletKey, secret, "")
	if err != nil {
		return err
	}
	if a.profile = identity.FromStorageKey(key); a.name == "address" {
		a.name = identity.AccountName(a.wallet.Address())
	}
	if a.codec, err = bridge.NewCodec(a.profile, a.name, rand.Reader); err != nil {
		return err
	}
	a.Client, err = dm3api.NewClient(&dm3api.ClientOptions{
		URL: a.url, Account: a.name, Normalise: identity.Normalize,
		Sign: func(_ context.Context, challenge string) (string, error) { return a.profile.Sign(challenge), nil },
	})
	if err != nil {
		return err
	}
	rest := append(arguments[4:], "", "")
	return a.do(ctx, arguments[3], rest[0], rest[1])
}

func (a *app) do(ctx context.Context, verb, contact, text string) error {
	wire, err := a.codec.EncryptName(contact)
	if err != nil {
		return err
	}
	switch verb {
	case "wait":
		return a.wait(ctx)
	case "register":
		return a.register(ctx)
	case "add":
		return a.add(ctx, wire, contact, text)
	case "meet":
		return a.AddConversation(ctx, wire, "")
	case "messages":
		return a.messages(ctx, wire)
	case "conversations":
		for c, err := range a.Conversations(ctx, 10) {
			if err != nil {
				return err
			}
			name, err := a.codec.DecryptName(c.Contact)
			if err != nil {
				return err
			}
			fmt.Println(name)
		}
		return nil
	}
	return fmt.Errorf("app: no verb %s", verb)
}

// wait waits until the service answers.
func (a *app) wait(ctx context.Context) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+"/healthz", nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			return response.Body.Close()
		}
	}
	return errors.New("app: waited in vain")
}

func (a *app) register(ctx context.Context) error {
	text, err := a.profile.UserProfile("ds.example.eth").Text()
	if err != nil {
		return err
	}
	signature := a.wallet.Sign(identity.ProfileCreationMessage(text, a.wallet.Address()))
	body := strings.NewReader(fmt.Sprintf(`{"profile":%s,"signature":%q}`, text, signature))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+"/profile/"+a.name, body)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("app: registering: %s", response.Status)
	}
	return nil
}

func (a *app) add(ctx context.Context, wire, contact, text string) error {
	now := time.Now().UnixMilli()
	message := fmt.Sprintf(`{"message":%q,"metadata":{"from":%q,"timestamp":%d,"to":%q,"type":"NEW"},"signature":%q}`,
		text, a.name, now, contact, base64.StdEncoding.EncodeToString(make([]byte, 64)))
	canonical, err := container.Canonical(nil, []byte(message))
	if err != nil {
		return err
	}
	sealed, err := a.codec.EncryptRecord(fmt.Appendf(nil, `{"envelop":{"message":%s},"messageState":2}`, message))
	if err != nil {
		return err
	}
	return a.AddMessage(ctx, wire, dm3api.Record{CreatedAt: now, MessageID: string(container.Hash(string(canonical))), Container: sealed})
}

func (a *app) messages(ctx context.Context, wire string) error {
	for m, err := range a.Messages(ctx, wire, 2) {
		if err != nil {
			return err
		}
		text, err := a.codec.DecryptRecord(m.Container)
		if err != nil {
			return err
		}
		fmt.Println(string(text))
	}
	return nil
}
