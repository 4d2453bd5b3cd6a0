package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/transport"
	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATE of answers that are more than their sentinel. The first two characters of a code are its class.
const (
	codeNoTable       = "42P01"
	codeNoSchema      = "3F000"
	codeNoDatabase    = "3D000"
	codeReadOnly      = "25006"
	codeDenied        = "42501"
	codeDiskFull      = "53100"
	codeTooMany       = "53300"
	codeProtocol      = "08P01" // also whatever PgBouncer has to say
	codeSerialisation = "40001"
	codeUnsupported   = "0A000"
	codeNoFunction    = "42883"
)

// sentinels by SQLSTATE, else by class. What stands in neither is permanent.
var sentinels = map[string]error{
	codeDiskFull:      providers.ErrQuota,
	"53400":           providers.ErrQuota,       // a limit that the operator set
	codeTooMany:       providers.ErrRateLimited, // also a role's own limit
	codeDenied:        providers.ErrUnauthorised,
	"54000":           providers.ErrTooLarge,
	"08":              providers.ErrTransient,
	"28":              providers.ErrUnauthorised,
	codeSerialisation: providers.ErrTransient, // from CockroachDB and Yugabyte at any time
	"40":              providers.ErrTransient, // rolled back: deadlocks, and completion unknown
	"53":              providers.ErrTransient,
	"55P03":           providers.ErrTransient, // somebody holds a lock, as while the tables are brought up to date
	"57":              providers.ErrTransient, // shut down, starting, cancelled by a timeout
	"57P04":           nil,                    // the database was dropped
	"58030":           providers.ErrTransient, // the server's disk did not answer
	"XX000":           providers.ErrTransient, // anything at all, with Yugabyte
	codeNoTable:       errTables,
	codeNoSchema:      errTables,
	codeNoDatabase:    errDatabase,
	codeReadOnly:      errReadOnly,
}

var (
	// errTables is permanent: that a table is not there says nothing about objects.
	errTables = errors.New("dm3sync's tables are not there: `dm3sync init` makes them; if they were there before, look at search_path and at who dropped them before doing so")
	// errReadOnly is permanent: somebody must act.
	errReadOnly = errors.New("the database takes no writes: provider.dsn names a read replica, or the server was set to read only, as some services do when storage is full; name the primary, or make room")
	errDatabase = errors.New("there is no such database: make it, or mend provider.dsn")
	// errParameter is permanent too.
	errParameter = errors.New("the pooler does not pass on a setting that provider.dsn has: leave it out, or let the pooler ignore it (ignore_startup_parameters)")
	errNewer     = errors.New("a newer dm3sync has brought the tables further than this one knows: update dm3sync here")
	errOlder     = errors.New("the tables are of an older dm3sync: run `dm3sync init` once, which brings them up to date")
	errNoTLS     = errors.New("the server speaks no TLS: switch it on there; only where nobody can listen on the way, add sslmode=disable to provider.dsn")
)

// pooler is what PgBouncer, whose errors mostly have one code, means by its words; everything else passes.
var pooler = []struct {
	said     string
	sentinel error
}{
	{"authentication failed", providers.ErrUnauthorised},
	{"password", providers.ErrUnauthorised},
	{"no such user", providers.ErrUnauthorised},
	{"not allowed", providers.ErrUnauthorised},
	{"does not exist", errDatabase},
	{"no such database", errDatabase},
	{"unsupported startup parameter", errParameter},
	{"no more connections allowed", providers.ErrRateLimited},
}

// translate gives err the sentinel that callers look for. ErrNotFound is never given here: only a statement that found no
// row means that, which get itself knows.
func translate(ctx context.Context, operation, name string, err error) error {
	if err == nil {
		return nil
	}
	if name != "" {
		operation += " " + name
	}
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("postgres: %s: %w", operation, ended)
	}
	sentinel, cause := classify(err)
	if sentinel == nil {
		return fmt.Errorf("postgres: %s: %w", operation, cause)
	}
	return fmt.Errorf("postgres: %s: %w: %w", operation, sentinel, cause)
}

// classify returns a sentinel of package providers or one of the above, nil where there is none, and what is told beside it.
// The driver's own words about a failure to connect are left out: they fill several lines.
func classify(err error) (sentinel, cause error) {
	if answer := answered(err); answer != nil {
		return byCode(answer), answer
	}
	cause = err
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		cause = connect.Unwrap()
	}
	cause = lineError{cause}
	switch {
	case errors.Is(err, errNewer), errors.Is(err, errOlder), errors.Is(err, errReadOnly), errors.Is(err, errTables):
		return nil, err
	case transport.Untrusted(err):
		return nil, cause
	case strings.Contains(err.Error(), "server refused TLS connection"): // the driver has no better sign
		return errNoTLS, cause
	case connect != nil || transport.Broken(err) || pgconn.SafeToRetry(err):
		return providers.ErrTransient, cause
	}
	return nil, cause
}

// answered is the database's own answer, nil where the error is of the way to it. With several addresses, or with and
// without TLS, the last answer counts.
func answered(err error) *pgconn.PgError {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer
	}
	return nil
}

func byCode(answer *pgconn.PgError) error {
	if answer.Code == codeProtocol {
		for _, word := range pooler {
			if strings.Contains(answer.Message, word.said) {
				return word.sentinel
			}
		}
	}
	sentinel, known := sentinels[answer.Code]
	if !known && len(answer.Code) == 5 {
		sentinel = sentinels[answer.Code[:2]]
	}
	if errors.Is(sentinel, providers.ErrRateLimited) {
		return &providers.RateLimitError{}
	}
	return sentinel
}

// lineError keeps an error's text on one line.
type lineError struct{ error }

// Error implements error.
func (e lineError) Error() string {
	return strings.Join(strings.Fields(strings.ReplaceAll(e.error.Error(), "\n", "; ")), " ")
}

// Unwrap returns the error itself.
func (e lineError) Unwrap() error { return e.error }
