package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/mirror"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

const (
	pathPlaces     = "/v1/accounts/{account}/places"
	pathPlaceCheck = pathPlaces + "/{place}/checks"
	pathLogins     = "/v1/accounts/{account}/logins"
	pathLogin      = pathLogins + "/{place}"
)

// OwnPlace names the account's own place, beside the names of its mirrors.
const OwnPlace = "-"

// Place is where an account's objects are kept.
type Place struct {
	Name     string           `json:"name" doc:"- is the account's own place; else the mirror's name"`
	Role     string           `json:"role" enum:"own,mirror" doc:"own: what all devices work with; mirror: a further copy"`
	Kind     string           `json:"kind" doc:"The kind of place, as folder or s3"`
	Place    string           `json:"place,omitempty" doc:"Where it is, without secrets"`
	Space    *Space           `json:"space,omitempty" doc:"Its room, as it told last"`
	State    string           `json:"state" doc:"Of the own place idle, working, blocked or closed; of a mirror new, complete, behind or failing"`
	Waiting  int              `json:"waiting" doc:"What it lacks: messages for the own place, objects for a mirror"`
	Last     time.Time        `json:"last_success,omitzero" doc:"When a pass succeeded last"`
	Error    string           `json:"error,omitempty" doc:"Why the last pass failed"`
	Obstacle obstacle.Kind    `json:"obstacle,omitempty" doc:"What kind of thing error is"`
	Warning  string           `json:"warning,omitempty" doc:"What it asks of the user"`
	Problems []engine.Problem `json:"problems" nullable:"false" doc:"What is wrong there, oldest first"`
}

// PlaceCheck is what came of asking a place for all that is needed of it.
type PlaceCheck struct {
	Kind     string        `json:"kind"`
	Place    string        `json:"place"`
	Promises []PlaceFact   `json:"promises" nullable:"false" doc:"What the place says of itself"`
	Results  []PlaceAnswer `json:"results" nullable:"false" doc:"What was asked of it"`
	Swept    int           `json:"swept,omitempty" doc:"Objects removed that interrupted checks had left"`
}

// PlaceFact is one thing that a place says of itself, in words.
type PlaceFact struct {
	Name string `json:"name"`
	Says string `json:"says"`
}

// PlaceAnswer is one question to a place, and whether it kept what it promises.
type PlaceAnswer struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty" doc:"What was wrong"`
}

// PlaceChecker is an [Account] whose places can be tried.
type PlaceChecker interface {
	// CheckPlace asks a place ([OwnPlace], or a mirror's name) for all that is needed of
	// it, under a prefix of its own that is removed again. Progress may be nil. ErrNoPlace
	// says that there is none of that name. A promise that is not kept stands in the
	// check; an error is a place that could not be asked.
	CheckPlace(ctx context.Context, place string, progress func(engine.Progress)) (PlaceCheck, error)
}

// Login says whether a place has the login that it needs.
type Login struct {
	Place   string    `json:"place" doc:"The place's name, as in places"`
	Kind    string    `json:"kind" doc:"The kind of place"`
	Needed  bool      `json:"needed" doc:"The user has to log in before anything can be kept there"`
	Warning string    `json:"warning,omitempty" doc:"What is the matter, and what to do"`
	Ends    time.Time `json:"ends,omitzero" doc:"When it ends by itself, where that is known"`
	Started bool      `json:"started,omitempty" doc:"A login is under way and waits for the user's browser"`
	Command string    `json:"command,omitempty" doc:"What does it on the command line"`
}

// LoginStart is a login that waits for the user's browser.
type LoginStart struct {
	URL     string    `json:"url" doc:"What the user opens in a browser on this machine"`
	Expires time.Time `json:"expires,omitzero" doc:"How long it is waited for"`
}

// LoginKeeper is an [Account] whose places need logins.
type LoginKeeper interface {
	// Logins lists the places that need one; it asks no place.
	Logins(ctx context.Context) ([]Login, error)
	// StartLogin begins the login of a place and returns what the user opens. It goes on in
	// the background. ErrNoPlace is a place that there is not, or that needs no login.
	StartLogin(ctx context.Context, place string) (LoginStart, error)
}

// PlacePath is the input of operations on a place. It is exported for huma, as [AppendHeaders] is.
type PlacePath struct {
	AccountPath
	Place string `path:"place" maxLength:"64" pattern:"^[a-z0-9_-]+$" doc:"- is the account's own place; else a mirror's name"`
}

type placesOutput struct {
	Body struct {
		Places []Place `json:"places" nullable:"false"`
	}
}

type loginsOutput struct {
	Body struct {
		Logins []Login `json:"logins" nullable:"false"`
	}
}

type loginOutput struct{ Body LoginStart }

// addPlaces adds the account's places.
func (s *service) addPlaces() {
	add(s, operation{
		id: "list-places", method: http.MethodGet, path: pathPlaces, tag: "places", summary: "Where the account is kept, and how that is",
		about: "The account's own place comes first, then its mirrors. No place is asked: it is what was told last.",
	}, func(ctx context.Context, in *AccountPath) (*placesOutput, error) {
		status, err := s.oneAccount(ctx, in)
		if err != nil {
			return nil, err
		}
		out := &placesOutput{}
		out.Body.Places = placesOf(&status.Body)
		return out, nil
	})
	add(s, operation{
		id: "check-place", method: http.MethodPost, path: pathPlaceCheck, tag: "places",
		problems: append([]string{"no-place", "not-offered"}, atPlace...),
		summary:  "Try a place: does it keep all that it promises?",
		about:    "It is asked for exactly what is needed of it, under a prefix of its own that is removed again. Nothing of the account is touched.",
		answers:  s.lines("Progress, then the answers", schema[PlaceCheck](s)),
	}, func(ctx context.Context, in *PlacePath) (*streamed, error) {
		return s.work(&in.AccountPath, func(ctx context.Context, account Account, progress func(engine.Progress)) (any, error) {
			checker, ok := account.(PlaceChecker)
			if !ok {
				return PlaceCheck{}, fmt.Errorf("%w: this agent can't try places; run `dm3sync check`", ErrNotOffered)
			}
			return checker.CheckPlace(ctx, in.Place, progress)
		})
	})
}

// placesOf are an account's places, from its state.
func placesOf(a *AccountStatus) []Place {
	own := Place{
		Name: OwnPlace, Role: "own", Kind: a.Provider, Place: a.Place, Space: a.Space, State: a.State, Waiting: a.Pending,
		Last: a.LastSuccess, Error: a.LastError, Obstacle: a.Obstacle, Warning: a.Warning, Problems: append([]engine.Problem{}, a.Problems...),
	}
	places := []Place{own}
	for i := range a.Mirrors {
		places = append(places, placeOf(&a.Mirrors[i]))
	}
	return places
}

func placeOf(m *mirror.Status) Place {
	return Place{
		Name: m.Name, Role: "mirror", Kind: m.Provider, Place: m.Place, State: m.State, Waiting: m.Waiting,
		Last: m.LastSuccess, Error: m.LastError, Obstacle: m.Obstacle, Warning: m.Warning, Problems: append([]engine.Problem{}, m.Problems...),
	}
}

// addLogins adds the logins of places.
func (s *service) addLogins() {
	add(s, operation{
		id: "list-logins", method: http.MethodGet, path: pathLogins, tag: "logins", summary: "Which places need a login, and whether they have it",
		about: "No place is asked. An account whose places need none has an empty list.",
	}, func(ctx context.Context, in *AccountPath) (*loginsOutput, error) {
		account, err := s.account(in.Account)
		if err != nil {
			return nil, err
		}
		out := &loginsOutput{}
		out.Body.Logins = []Login{}
		keeper, ok := account.(LoginKeeper)
		if !ok {
			return out, nil
		}
		list, err := keeper.Logins(ctx)
		out.Body.Logins = append(out.Body.Logins, list...)
		return out, err
	})
	add(s, operation{
		id: "start-login", method: http.MethodPost, path: pathLogin, tag: "logins", problems: []string{"no-place", "not-offered", "transient", "in-use"},
		summary: "Begin the login of a place",
		about:   "The answer is an address that the user opens in a browser on this machine. The agent waits for the outcome and goes on by itself; list-logins tells how it stands.",
	}, func(ctx context.Context, in *PlacePath) (*loginOutput, error) {
		account, err := s.account(in.Account)
		if err != nil {
			return nil, err
		}
		keeper, ok := account.(LoginKeeper)
		if !ok {
			return nil, fmt.Errorf("%w: this agent can't begin a login; run `dm3sync login`", ErrNotOffered)
		}
		start, err := keeper.StartLogin(ctx, in.Place)
		return &loginOutput{start}, err
	})
}
