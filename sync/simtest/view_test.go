package simtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dm3sync/dm3sync/providers"
)

var errCut = errors.New("simtest: the device is cut off")

// weather says how many of a thousand requests go wrong, and how.
type weather struct {
	lost    int  // the answer is lost, the request had its effect
	late    int  // the answer is lost, the effect comes later
	stale   int  // a listing as it was before
	partial int  // a listing that lacks some, or breaks off with an error
	torn    int  // an acknowledged put that is not whole
	half    int  // a put that others see while it is half done
	busy    int  // rate limit
	full    bool // no room
	denied  bool // the login has expired
	offline bool
}

// view is how one run of a device sees its place.
type view struct {
	world   *world
	device  int
	server  *server
	random  *rand.Rand
	promise providers.Properties
	weather weather
	dead    atomic.Bool // the run has crashed
	budget  int         // requests until it does; 0 is no bound
	crash   func()
	shown   map[string][]providers.Object // the listings that a stale one repeats
	lag     map[string]int                // for how many it did so
}

// lagMost is how many listings one after the other may show the same old state.
const lagMost = 3

func (v *view) Properties() providers.Properties { return v.promise }
func (v *view) Close() error                     { return nil }

func (v *view) strikes(perMille int) bool { return perMille > 0 && v.random.IntN(1000) < perMille }

// request waits for the device's turn and says what becomes of the request:
// whether it has its effect, and what the device sees.
func (v *view) request(ctx context.Context, what string) (effect bool, err error) {
	v.world.schedule.pause(v.device, what)
	if *trace {
		v.world.log(fmt.Sprintf("      device %d: %s", v.device, what))
	}
	if v.dead.Load() || v.world.spent {
		return false, errCut
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if v.budget > 0 {
		if v.budget--; v.budget == 0 {
			v.crash()
			return v.random.IntN(2) == 0, errCut
		}
	}
	switch {
	case v.weather.offline:
		return false, fmt.Errorf("offline: %w", providers.ErrTransient)
	case v.weather.denied:
		return false, fmt.Errorf("login expired: %w", providers.ErrUnauthorised)
	case v.strikes(v.weather.busy):
		return false, &providers.RateLimitError{Wait: time.Second}
	case v.strikes(v.weather.lost):
		return true, fmt.Errorf("no answer: %w", providers.ErrTransient)
	}
	return true, nil
}

// comesLater tells whether a request that ended with err has its effect at another
// time: one without an answer, or the last one before a crash.
func (v *view) comesLater(err error) bool {
	if errors.Is(err, errCut) {
		return v.world.setting.stormy && v.world.carrier == nil && v.random.IntN(2) == 0
	}
	return err == nil && v.strikes(v.weather.late)
}

func (v *view) Put(ctx context.Context, name string, data []byte) error {
	effect, err := v.request(ctx, "put "+name)
	if v.weather.full && err == nil {
		return fmt.Errorf("full: %w", providers.ErrQuota)
	}
	if !effect {
		return err
	}
	data = append([]byte{}, data...)
	if *trace {
		v.world.tell(name, data)
	}
	switch {
	case v.comesLater(err):
		v.server.later(func() { v.server.put(name, data) })
		return fmt.Errorf("no answer: %w", cmp.Or(err, providers.ErrTransient))
	case v.strikes(v.weather.torn):
		if keep := v.random.IntN(len(data) + 1); keep%3 > 0 {
			v.server.put(name, data[:keep])
		}
		return err
	case v.strikes(v.weather.half):
		v.world.mended(v.device, name, data) // before the half of it stands there
		v.server.put(name, data[:v.random.IntN(len(data))])
		v.world.schedule.pause(v.device, "half "+name)
	}
	v.world.mended(v.device, name, data)
	v.world.signs(v.world.devices[v.device], name, data)
	v.server.put(name, data)
	return err
}

func (v *view) Get(ctx context.Context, name string) ([]byte, error) {
	if _, err := v.request(ctx, "get "+name); err != nil {
		return nil, err
	}
	data, ok := v.server.get(name)
	if !ok || v.server.hides(name, v.device) {
		return nil, fmt.Errorf("get: %w", providers.ErrNotFound)
	}
	v.world.meets(v.world.devices[v.device], name)
	return data, nil
}

func (v *view) GetRange(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	data, err := v.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	offset = min(offset, int64(len(data)))
	return data[offset:min(offset+length, int64(len(data)))], nil
}

func (v *view) Delete(ctx context.Context, names ...string) error {
	if len(names) == 0 {
		return nil
	}
	effect, err := v.request(ctx, "delete "+strings.Join(names, " "))
	if effect && v.world.carrier != nil {
		v.world.checkRemoval(v.world.devices[v.device], names)
	}
	if effect && v.comesLater(err) {
		v.server.later(func() { v.server.delete(names...) })
		return fmt.Errorf("no answer: %w", cmp.Or(err, providers.ErrTransient))
	}
	if effect && v.promise.Deletes {
		v.server.delete(names...)
	}
	return err
}

func (v *view) List(ctx context.Context, prefix string) iter.Seq2[providers.Object, error] {
	return func(yield func(providers.Object, error) bool) {
		if _, err := v.request(ctx, "list "+prefix); err != nil {
			yield(providers.Object{}, err)
			return
		}
		fresh := slices.DeleteFunc(v.server.list(prefix), func(o providers.Object) bool { return v.server.hides(o.Name, v.device) })
		if old, seen := v.shown[prefix]; seen && v.strikes(v.weather.stale) {
			if v.lag[prefix]++; v.lag[prefix] >= lagMost || v.random.IntN(2) == 0 {
				v.shown[prefix], v.lag[prefix] = fresh, 0
			}
			fresh = old
		} else {
			v.shown[prefix], v.lag[prefix] = fresh, 0
		}
		breaks := -1
		if len(fresh) > 0 && v.strikes(v.weather.partial) {
			breaks = v.random.IntN(len(fresh))
		}
		for i, object := range fresh {
			if i == breaks {
				if v.promise.CurrentListings || v.random.IntN(2) == 0 {
					yield(providers.Object{}, fmt.Errorf("listing broke off: %w", providers.ErrTransient))
					return
				}
				continue // an entry that does not show yet
			}
			if !yield(object, nil) {
				return
			}
		}
	}
}
