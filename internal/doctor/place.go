package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/providers"
)

const littleLeft = 100 << 20 // bytes at a place; below it is a note

// place is where an account is kept, or its mirror.
type place struct {
	name    string // of the check
	account config.Account
}

func (s *Surroundings) placesOf(account config.Account) []place {
	list := []place{{"place", account}}
	for i := range account.Mirrors {
		list = append(list, place{"mirror " + account.Mirrors[i].Name, account.At(&account.Mirrors[i])})
	}
	return list
}

// addresses are the servers that a place depends on.
func addresses(p *config.Provider) (list []Address) {
	add := func(url string) {
		if url != "" {
			list = append(list, Address{URL: url, CAFile: p.CAFile, Proxy: p.Proxy})
		}
	}
	switch p.Kind {
	case config.KindS3:
		if p.Endpoint == "" {
			add("https://s3." + p.Region + ".amazonaws.com")
		}
	case config.KindDrive:
		if p.Endpoint == "" {
			add("https://www.googleapis.com")
		}
	case config.KindSQL:
		if parsed, err := url.Parse(p.DSN); err == nil && parsed.Hostname() != "" {
			port := parsed.Port()
			if port == "" {
				port = "5432"
			}
			add("tcp://" + net.JoinHostPort(parsed.Hostname(), port))
		}
	}
	for _, address := range []string{p.URL, p.Endpoint, p.TokenURL, p.PinGateway} {
		add(address)
	}
	return list
}

// place says whether its servers can be reached, and whether it lets this account in.
func (s *Surroundings) place(ctx context.Context, at place) (found []Finding) {
	for _, address := range addresses(&at.account.Provider) {
		found = append(found, s.network(ctx, address)...)
	}
	if !Healthy(found) {
		return found
	}
	if at.account.Provider.SecretCredential != "" && s.elsewhere() {
		return append(found, note("what the agent says of this account tells whether it is let in", "only the service has the credential %s that this place wants", at.account.Provider.SecretCredential))
	}
	store, err := s.Place(ctx, at.account)
	if err != nil {
		return append(found, wrong(s.advice(err, "check [account.provider]"), "can't be opened: %v", err))
	}
	found = append(found, s.ask(ctx, store)...)
	if err := store.Close(); err != nil {
		found = append(found, note("", "closing it: %v", err))
	}
	return found
}

// ask asks a place for what costs one request each.
func (s *Surroundings) ask(ctx context.Context, store providers.Store) (found []Finding) {
	if warner, ok := store.(interface{ Warning(now time.Time) string }); ok {
		if sentence := warner.Warning(s.Now()); sentence != "" {
			found = append(found, wrong("", "%s", sentence))
		}
	}
	for _, err := range store.List(ctx, "") {
		if err != nil {
			return append(found, wrong(s.advice(err, "check [account.provider], and run `dm3sync check`"), "refuses a listing: %v", err))
		}
		break
	}
	space, err := providers.SpaceOf(ctx, store)
	text := "lets this account in"
	switch left := space.Left(); {
	case errors.Is(err, providers.ErrQuota), err == nil && left == 0:
		return append(found, wrong("make room at the place; nothing is lost", "has no room left"))
	case err != nil:
		found = append(found, note("", "does not tell its room: %v", err))
	case left >= 0 && left < littleLeft:
		found = append(found, note("make room at the place", "has only %s left", humanize.Bytes(uint64(left))))
	case left >= 0:
		text += fmt.Sprintf(", %s left", humanize.Bytes(uint64(left)))
	}
	if len(found) > 0 {
		return found
	}
	return []Finding{fine("%s", text)}
}

// What a dm3 node or a delivery service says of an account's keys.
var (
	// ErrNoKeys is a service that knows nobody of the name.
	ErrNoKeys = errors.New("it knows no profile of the name")
	// ErrOtherKeys is a service that knows somebody else under the name.
	ErrOtherKeys = errors.New("it knows other keys under the name")
)

// node says whether the servers of a dm3 node can be reached, and whether they know the account by its own keys.
func (s *Surroundings) node(ctx context.Context, account config.Account) (found []Finding) {
	n := &account.Node
	for _, address := range []string{n.URL, n.Delivery} {
		if address == "" {
			continue
		}
		reached := s.network(ctx, Address{URL: address, CAFile: n.CAFile, Proxy: n.Proxy})
		found = append(found, reached...)
		if !Healthy(reached) {
			continue
		}
		if account.Secret.Credential != "" && s.elsewhere() {
			continue // its keys can't be told here
		}
		switch err := s.NodeKeys(ctx, account, address); {
		case err == nil:
		case errors.Is(err, ErrOtherKeys):
			found = append(found, wrong("check [account.secret] and node.name: the app that uses this name has another wallet or nonce, so what comes can't be opened", "%s knows %s by other keys than this account's", hostOf(address), n.Name))
		case errors.Is(err, ErrNoKeys):
			found = append(found, wrong("log in there once with a dm3 app as this name, or check node.name", "%s knows nobody as %s", hostOf(address), n.Name))
		default:
			found = append(found, note("check [account.secret] and [account.node]", "its keys could not be compared: %v", err))
		}
	}
	if n.Delivery != "" && n.DeliveryKey == "" {
		found = append(found, note("set node.delivery_key to the public signing key that the delivery service publishes", "postmarks of the delivery service are not checked"))
	}
	return found
}
