package postgres

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

const (
	// announceAfter gathers the puts of a pass into one notice. A notice in the put itself would have all writers of the
	// server wait for one another: PostgreSQL commits what notifies one at a time, and a put's commit waits for the disk.
	announceAfter = 100 * time.Millisecond
	announceWait  = 2 * time.Second // bounds one announcement, and so Close
)

// announcements raise the partition's number of changes, for those who look from time to time, and notify those who listen.
// It need not outlive a crash, so that nobody waits for the disk. The later ones are for databases that speak PostgreSQL's
// protocol and don't know what stands in the earlier ones.
var announcements = []string{
	`WITH quick AS (SELECT set_config('synchronous_commit', 'off', true) AS setting),
		counted AS (INSERT INTO dm3sync_changes AS known (partition, changes) SELECT $1::bytea, 1 FROM quick
			ON CONFLICT (partition) DO UPDATE SET changes = known.changes + 1 RETURNING changes)
		SELECT changes, pg_notify($2::text, $3::text || ' ' || changes::text)::text FROM counted`,
	`INSERT INTO dm3sync_changes AS known (partition, changes) VALUES ($1::bytea, 1)
		ON CONFLICT (partition) DO UPDATE SET changes = known.changes + 1
		RETURNING changes, $2::text, $3::text`,
}

const (
	readChanges   = `SELECT changes FROM dm3sync_changes WHERE partition = $1::bytea`
	notifyOfProbe = `SELECT pg_notify($1::text, $2::text)::text`
)

// notices tells the other devices of an account that something was put, and remembers what they told.
type notices struct {
	pool      *Pool
	partition []byte
	channel   string // of LISTEN
	instance  string // this store, so that it does not wake itself

	mutex   sync.Mutex
	timer   *time.Timer // not nil: an announcement is to come
	closed  bool
	seen    int64          // changes that this store made or was told of; -1 before it looked
	running sync.WaitGroup // announcements
}

func newNotices(p *Pool, partition string) *notices {
	// What a session listens to can be seen by others of the same role; it must not show the partition.
	hash := sha256.Sum256([]byte("dm3sync notices of " + partition))
	return &notices{pool: p, partition: []byte(partition), channel: "dm3sync_" + hex.EncodeToString(hash[:16]), instance: rand.Text(), seen: -1}
}

// changed has others told soon.
func (n *notices) changed() {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.timer == nil && !n.closed {
		n.running.Add(1)
		n.timer = time.AfterFunc(announceAfter, n.announce)
	}
}

// close tells at once what is still to be told.
func (n *notices) close() {
	n.mutex.Lock()
	n.closed = true
	waits := n.timer != nil && n.timer.Stop()
	n.mutex.Unlock()
	if waits {
		n.announce()
	}
	n.running.Wait()
}

// announce tells. A failure is no more than a notice that is missed: others look from time to time anyway, and the put itself
// stands.
func (n *notices) announce() {
	defer n.running.Done()
	n.mutex.Lock()
	n.timer = nil // what is put from now on is told anew
	n.mutex.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), announceWait)
	defer cancel()
	rows, err := n.count(ctx)
	if err != nil || len(rows) != 1 {
		return
	}
	if changes, err := readNumber(rows[0][0]); err == nil {
		n.mutex.Lock()
		defer n.mutex.Unlock()
		if n.seen == changes-1 { // nobody else changed anything
			n.seen = changes
		}
	}
}

// count announces in the first way that the database knows.
func (n *notices) count(ctx context.Context) (rows [][][]byte, err error) {
	for way := n.pool.way.Load(); way < int32(len(announcements)); way++ {
		rows, err = n.pool.ask(ctx, 1, announcements[way], bytea(n.partition), text(n.channel), text(n.instance))
		answer := answered(err)
		if answer == nil || byCode(answer) != nil {
			return rows, err
		}
		n.pool.way.CompareAndSwap(way, min(way+1, int32(len(announcements))-1))
	}
	return rows, err
}

// told takes a notice in. It tells whether it is of others.
func (n *notices) told(payload string) bool {
	instance, number, ok := strings.Cut(payload, " ")
	if !ok || instance == n.instance {
		return false
	}
	if changes, err := strconv.ParseInt(number, 10, 64); err == nil {
		n.mutex.Lock()
		defer n.mutex.Unlock()
		n.seen = max(n.seen, changes)
	}
	return true
}

// unknownHere tells that a database which only speaks PostgreSQL's protocol does not know a function or a statement.
func unknownHere(err error) bool {
	answer := answered(err)
	return answer != nil && slices.Contains([]string{codeUnsupported, codeNoFunction, "42601"}, answer.Code)
}

// look asks for the number of changes and tells whether others made some since it was last asked.
func (n *notices) look(ctx context.Context) (changed bool, err error) {
	rows, err := n.pool.ask(ctx, 1, readChanges, bytea(n.partition))
	changes := int64(0)
	if err == nil && len(rows) == 1 {
		changes, err = readNumber(rows[0][0])
	}
	if err != nil {
		return false, err
	}
	n.mutex.Lock()
	defer n.mutex.Unlock()
	changed = n.seen >= 0 && changes != n.seen
	n.seen = changes
	return changed, nil
}

// tell puts a notice into a channel with room for one, unless one lies there.
func tell(notice chan<- struct{}) {
	select {
	case notice <- struct{}{}:
	default:
	}
}

// poll looks every now and then, more seldom while that fails.
func (n *notices) poll(ctx context.Context, notice chan<- struct{}) {
	for wait := n.pool.options.Poll; ; {
		changed, err := n.look(ctx)
		switch {
		case err != nil:
			wait = min(2*wait, 10*n.pool.options.Poll)
		case changed:
			tell(notice)
			fallthrough
		default:
			wait = n.pool.options.Poll
		}
		if providers.Sleep(ctx, wait) != nil {
			return
		}
	}
}
