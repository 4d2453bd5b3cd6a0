package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dm3sync/dm3sync/internal/dm3api"
	"github.com/dm3sync/dm3sync/providers"
)

// RecordsOptions is what [Records] needs. Store, Now and Log must be set.
type RecordsOptions struct {
	// Store keeps everything. Its listings must be current.
	Store providers.Store
	Now   func() time.Time
	Log   *slog.Logger
	// PackAt is how many records of a conversation may lie alone before they are put
	// together; 0 is 256.
	PackAt int
	// PageBytes stands instead of MaxPageBytes; 0 is that.
	PageBytes int64
}

// Records keeps the records of many accounts as they come: opaque, under names that
// only hold hashes. It has no state but what is at the place, so that any number of
// instances may work on one place at once. It implements [dm3api.Backend], and is
// safe for concurrent use until Close.
type Records struct {
	o          RecordsOptions
	indexes    indexes
	packing    chan struct{} // holds a value while a conversation is packed
	ending     sync.Mutex    // held while something begins in the background, and to let nothing begin any more
	background sync.WaitGroup
	context    context.Context // of what runs in the background
	stop       context.CancelFunc
}

// NewRecords prepares the service on a place. It makes no request.
func NewRecords(o RecordsOptions) (*Records, error) {
	if p := o.Store.Properties(); !p.CurrentListings || !p.Durable || p.Carried {
		return nil, fmt.Errorf("storage: %w: one of kind %q may show late, or lose, what another instance wrote; use S3 or a database", ErrPlace, p.Kind)
	}
	if o.PackAt <= 0 {
		o.PackAt = packAt
	}
	if o.PageBytes <= 0 {
		o.PageBytes = MaxPageBytes
	}
	r := &Records{o: o, indexes: indexes{packs: make(map[string][]version)}, packing: make(chan struct{}, 1)}
	r.context, r.stop = context.WithCancel(context.Background())
	return r, nil
}

// Close ends what runs in the background. The place stays open: it is the caller's.
func (r *Records) Close() error {
	r.ending.Lock()
	r.stop()
	r.ending.Unlock()
	r.background.Wait()
	return nil
}

// put writes one version of a record.
func (r *Records) put(ctx context.Context, prefix string, v version, b body) error {
	text, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("storage: writing a record: %w", err)
	}
	if err := r.o.Store.Put(ctx, prefix+v.name(), text); err != nil {
		return fmt.Errorf("storage: writing a record: %w", err)
	}
	return nil
}

// AddMessage implements [dm3api.Backend].
func (r *Records) AddMessage(ctx context.Context, account, contact string, record dm3api.Record) error {
	return r.add(ctx, account, contact, []dm3api.Record{record}, true)
}

// AddMessageBatch implements [dm3api.Backend]. Unlike a stock server's, a batch with
// known records is not dropped: the others are added.
func (r *Records) AddMessageBatch(ctx context.Context, account, contact string, records []dm3api.Record) error {
	return r.add(ctx, account, contact, records, false)
}

// write is one version to be put.
type write struct {
	version
	body
}

func (r *Records) add(ctx context.Context, account, contact string, records []dm3api.Record, strict bool) error {
	conversation := conversationID(account, contact)
	return again(func() error {
		s, err := r.shelf(ctx, account, conversation)
		if err != nil {
			return err
		}
		var writes []write
		seen := make(map[string]bool)
		for _, record := range records {
			w := newWrite(account, contact, record)
			_, known := s.versions[w.id]
			if known && strict {
				return dm3api.ErrNotAdded
			}
			if !known && !seen[w.id] {
				seen[w.id] = true
				writes = append(writes, w)
			}
		}
		return r.keep(ctx, account, contact, s, writes)
	})
}

// newWrite is the first version of a record.
func newWrite(account, contact string, record dm3api.Record) write {
	stored := dm3api.StoredID(account, record.MessageID)
	return write{
		version{created: record.CreatedAt, id: recordID(stored), halted: record.IsHalted, digest: digest("container", record.Container)[:16]},
		body{ID: stored, Contact: contact, Container: record.Container},
	}
}

// keep puts versions side by side, their conversation first. All are at the place when
// it returns nil.
func (r *Records) keep(ctx context.Context, account, contact string, s *shelf, writes []write) error {
	if err := r.ensure(ctx, account, contact); err != nil {
		return err
	}
	conversation := conversationID(account, contact)
	group, grouped := errgroup.WithContext(ctx)
	group.SetLimit(max(1, r.o.Store.Properties().Parallel))
	for _, w := range writes {
		group.Go(func() error { return r.put(grouped, messagePrefix(account, conversation), w.version, w.body) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	r.packSoon(account, conversation, s.loose+len(writes))
	return nil
}

// EditMessageBatch implements [dm3api.Backend]. Only records of this conversation are
// known ones.
func (r *Records) EditMessageBatch(ctx context.Context, account, contact string, records []dm3api.Record) error {
	conversation := conversationID(account, contact)
	return again(func() error {
		s, err := r.shelf(ctx, account, conversation)
		if err != nil {
			return err
		}
		now := s.after(r.o.Now().UnixMilli())
		var writes []write
		seen := make(map[string]bool)
		for _, record := range slices.Backward(records) { // of doubles the last counts
			record.CreatedAt, record.IsHalted = now, false
			w := newWrite(account, contact, record)
			if seen[w.id] {
				continue
			}
			seen[w.id] = true
			if _, known := s.versions[w.id]; known {
				current := s.current(w.id)
				if current.digest == w.digest {
					continue // said before
				}
				w.created, w.halted, w.revision = current.created, current.halted, current.revision+1
			}
			writes = append(writes, w)
		}
		return r.keep(ctx, account, contact, s, writes)
	})
}

// Messages implements [dm3api.Backend].
func (r *Records) Messages(ctx context.Context, account, contact string, page dm3api.Page) (messages []dm3api.Message, err error) {
	if page.Size > MaxPage {
		return nil, dm3api.ErrInvalid
	}
	conversation := conversationID(account, contact)
	err = again(func() error {
		s, err := r.shelf(ctx, account, conversation)
		if err != nil {
			return err
		}
		versions := cutPage(s.ordered(), page.Size, page.Offset)
		size := int64(0)
		for _, v := range versions {
			size += v.size
		}
		if size > r.o.PageBytes && len(versions) > 1 {
			return dm3api.ErrInvalid
		}
		bodies, err := r.bodies(ctx, versions)
		if err != nil {
			return err
		}
		messages = make([]dm3api.Message, len(versions))
		for i, v := range versions {
			messages[i] = dm3api.Message{
				ID: bodies[i].ID, CreatedAt: dm3api.FromMilliseconds(v.created), Container: bodies[i].Container, Contact: bodies[i].Contact,
				ConversationID: conversation, OwnerID: account, IsHalted: v.halted,
			}
		}
		return nil
	})
	return messages, err
}

// NumberOfMessages implements [dm3api.Backend].
func (r *Records) NumberOfMessages(ctx context.Context, account, contact string) (number int, err error) {
	err = again(func() error {
		s, err := r.shelf(ctx, account, conversationID(account, contact))
		if err == nil {
			number = len(s.versions)
		}
		return err
	})
	return number, err
}
