package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/dm3sync/dm3sync/internal/identity"
)

// addAccounts adds the state of the agent and of its accounts.
func (s *service) addAccounts() {
	add(s, operation{
		id: "status", method: http.MethodGet, path: "/v1/status", tag: "agent",
		summary: "The state of the agent and of all its accounts",
		about:   "It never waits for a place. An account that is not open yet stands in it with the reason.",
	}, func(context.Context, *request) (*statusOutput, error) { return &statusOutput{s.backend.Status()}, nil })
	add(s, operation{
		id: "reload", method: http.MethodPost, path: "/v1/reload", tag: "agent", problems: []string{"in-use"},
		summary: "Read the configuration again",
		about:   "What has changed is opened anew. It is answered when that has begun. What can't be changed while the agent runs is refused with what to do.",
	}, func(ctx context.Context, _ *request) (*done, error) { return nil, reload(ctx, s.backend) })
	add(s, operation{
		id: "list-accounts", method: http.MethodGet, path: "/v1/accounts", tag: "accounts", summary: "All accounts with their state",
		about: "They stand in the order of the configuration.",
	}, func(context.Context, *request) (*accountsOutput, error) {
		out := &accountsOutput{}
		out.Body.Accounts = slices.Concat([]AccountStatus{}, s.backend.Status().Accounts)
		return out, nil
	})
	add(s, operation{
		id: "account", method: http.MethodGet, path: "/v1/accounts/{account}", tag: "accounts", summary: "The state of one account",
		about: "It never waits for a place, and tells an account that is not open, too: open is false then, and reason says why.",
	}, s.oneAccount)
}

type statusOutput struct{ Body Status }

type accountsOutput struct {
	Body struct {
		Accounts []AccountStatus `json:"accounts" nullable:"false"`
	}
}

type accountOutput struct{ Body AccountStatus }

func (s *service) oneAccount(ctx context.Context, in *AccountPath) (*accountOutput, error) {
	list := s.backend.Status().Accounts
	if in.Account == onlyAccount && len(list) == 1 {
		return &accountOutput{list[0]}, nil
	}
	normal, err := identity.Normalize(in.Account)
	for i := range list {
		if err == nil && list[i].Name == normal {
			return &accountOutput{list[i]}, nil
		}
	}
	account, err := s.account(in.Account) // by an alias
	if err != nil {
		return nil, err
	}
	status, err := account.Status(ctx)
	return &accountOutput{status}, err
}

func reload(ctx context.Context, b Backend) error {
	reloader, ok := b.(Reloader)
	if !ok {
		return fmt.Errorf("%w: this agent can't read its configuration again; restart it", ErrRequest)
	}
	return reloader.Reload(ctx)
}
