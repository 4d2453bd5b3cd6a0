package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	probeWait     = 15 * time.Second // how long a notice of our own may take
	firstAgain    = time.Second      // wait before a broken watch is begun again, doubled each time
	longestAgain  = time.Minute      // the longest such wait
	listenAndLook = 10               // polls between two looks of a listener, which also show that its connection lives
	probePrefix   = "probe "         // of a payload that is no notice
)

// errNoListen says that notices don't arrive here, and never will.
var errNoListen = errors.New("the database gives no notices")

// Watch implements providers.Watcher, by LISTEN on a connection of its own, which is made again when it breaks. Where that
// can't work, as behind a pooler, it looks for changes every Options.Poll, and says so once.
func (s *Store) Watch(ctx context.Context) (<-chan struct{}, error) {
	notice := make(chan struct{}, 1)
	go func() {
		defer close(notice)
		s.notices.watch(ctx, notice)
	}()
	return notice, nil
}

func (n *notices) watch(ctx context.Context, notice chan<- struct{}) {
	wait := firstAgain
	for again := false; ctx.Err() == nil; again = true {
		listened, err := n.listen(ctx, notice, again)
		if errors.Is(err, errNoListen) {
			n.pool.warn("the database tells no changes at once (a pooler stands before it, or it knows no LISTEN): dm3sync looks for them every " + n.pool.options.Poll.String())
			n.poll(ctx, notice)
			return
		}
		if listened {
			wait = firstAgain
		}
		if providers.Sleep(ctx, wait) != nil {
			return
		}
		wait = min(2*wait, longestAgain)
	}
}

// listen waits for notices on a connection of its own until that breaks. Listened tells whether it came so far. After a pause
// something may have been missed, and is told.
func (n *notices) listen(ctx context.Context, notice chan<- struct{}, again bool) (listened bool, err error) {
	payloads := make(chan string, 1)
	config := n.pool.config.ConnConfig.Copy()
	config.OnNotification = func(_ *pgconn.PgConn, told *pgconn.Notification) {
		switch {
		case told.Channel != n.channel:
		case strings.HasPrefix(told.Payload, probePrefix):
			select {
			case payloads <- told.Payload:
			default: // another one's, and nobody waits
			}
		case n.told(told.Payload):
			tell(notice)
		}
	}
	conn, err := pgconn.ConnectConfig(ctx, &config.Config)
	if err != nil {
		return false, err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
		defer cancel()
		_ = conn.Close(end) // nothing depends on it any more
	}()
	if err := n.begin(ctx, conn, payloads); err != nil {
		return false, err
	}
	if again {
		tell(notice)
	}
	return true, n.stay(ctx, conn, notice)
}

// begin listens and tries with a notice of its own whether one arrives. Behind a pooler LISTEN is not even tried: it would
// stay on a connection that belongs to others next.
func (n *notices) begin(ctx context.Context, conn *pgconn.PgConn, payloads <-chan string) error {
	short, cancel := context.WithTimeout(ctx, n.pool.options.Stall)
	defer cancel()
	rows, err := n.pool.run(short, conn, 1, `SELECT pg_backend_pid()::int8`)
	if err == nil && len(rows) == 1 {
		if process, failed := readNumber(rows[0][0]); failed != nil || process != int64(conn.PID()) {
			return errNoListen
		}
		_, err = n.pool.run(short, conn, none, `LISTEN `+n.channel)
	}
	probe := probePrefix + rand.Text()
	if err == nil {
		_, err = n.pool.ask(short, none, notifyOfProbe, text(n.channel), text(probe))
	}
	if unknownHere(err) {
		return errNoListen
	}
	if err != nil {
		return err
	}
	wait, done := context.WithTimeout(ctx, probeWait)
	defer done()
	for {
		select {
		case payload := <-payloads:
			if payload == probe {
				return nil
			}
			continue
		default:
		}
		if err := conn.WaitForNotification(wait); err != nil {
			if wait.Err() != nil && ctx.Err() == nil {
				return errNoListen
			}
			return err
		}
	}
}

// stay waits for notices. Now and then it looks itself, which shows a connection that died without a word.
func (n *notices) stay(ctx context.Context, conn *pgconn.PgConn, notice chan<- struct{}) error {
	for {
		wait, cancel := context.WithTimeout(ctx, listenAndLook*n.pool.options.Poll)
		err := conn.WaitForNotification(wait)
		quiet := wait.Err() != nil && ctx.Err() == nil
		cancel()
		if err == nil {
			continue
		}
		if !quiet || conn.IsClosed() {
			return err
		}
		short, cancel := context.WithTimeout(ctx, n.pool.options.Stall)
		_, err = n.pool.run(short, conn, none, `SELECT 1`)
		cancel()
		if err != nil {
			return err
		}
		if changed, err := n.look(ctx); err != nil {
			return err
		} else if changed {
			tell(notice)
		}
	}
}
