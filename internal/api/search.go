package api

import (
	"context"
	"net/http"

	"github.com/dm3sync/dm3sync/internal/search"
)

// Searcher is what an [Account] with a search index can do besides.
type Searcher interface {
	// Search returns a page of what was found, and says what was not searched. A query that can't be understood is
	// search.ErrQuery, an account without an index search.ErrDisabled.
	Search(ctx context.Context, q search.Query) (search.Result, error)
}

const pathSearch = "/v1/accounts/{account}/search"

// addSearch adds the search. It is a POST so that what somebody looks for stands in no address.
func (s *service) addSearch() {
	add(s, operation{
		id: "search", method: http.MethodPost, path: pathSearch, tag: "search",
		problems: []string{"query", "search-off", "name", "damaged"},
		limits:   map[string]any{"page": search.MaxLimit, "query_bytes": search.MaxQuery, "query_words": search.MaxTerms},
		summary:  "Search the messages that are on this device",
		about: "All words must be in a message, the last one as the beginning of a word; words in double quotes must follow each other;\n" +
			"a minus before a word leaves messages with it out. Case and accents don't count. The answer says what was not searched:\n" +
			"fetching those stretches helps.",
	}, func(ctx context.Context, in *searchInput) (*searchOutput, error) {
		account, err := s.account(in.Account)
		if err != nil {
			return nil, err
		}
		searcher, ok := account.(Searcher)
		if !ok {
			return nil, search.ErrDisabled
		}
		query := search.Query(in.Body)
		if query.Contact != "" {
			if query.Contact, err = contactOf(query.Contact); err != nil {
				return nil, err
			}
		}
		found, err := searcher.Search(ctx, query)
		found.Hits = append([]search.Hit{}, found.Hits...)
		return &searchOutput{found}, err
	})
}

// searchRequest is search.Query as it travels.
type searchRequest struct {
	Text    string `json:"text" minLength:"1" maxLength:"1024" doc:"What is looked for"`
	Contact string `json:"contact,omitempty" maxLength:"1024" doc:"Only in the conversation with this contact"`
	From    int64  `json:"from,omitempty" minimum:"0" doc:"Messages from this time on, in milliseconds since 1970"`
	To      int64  `json:"to,omitempty" minimum:"0" doc:"Messages before this time; 0 is no end"`
	Limit   int    `json:"limit,omitempty" minimum:"0" maximum:"200" doc:"How many at most; 0 is 20"`
	After   string `json:"after,omitempty" maxLength:"4096" doc:"The more of the page before"`
}

type searchInput struct {
	AccountPath
	Body searchRequest
}

type searchOutput struct{ Body search.Result }

// Search asks an account's index; see [Searcher].
func (c *Client) Search(ctx context.Context, account string, q search.Query) (result search.Result, err error) {
	return result, c.send(ctx, http.MethodPost, pathOf(pathSearch, account), searchRequest(q), decodeInto(&result))
}

func (r remote) Search(ctx context.Context, q search.Query) (search.Result, error) {
	return r.client.Search(ctx, r.name, q)
}

var _ Searcher = remote{}
