package agent

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/dm3sync/dm3sync/internal/activity"
	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/mirror"
)

// mirrorRounds is how often a mirror and the engine take turns until a mirror that was
// asked to be complete is so: each round follows what the one before brought up.
const mirrorRounds = 20

var _ api.Mirrored = (*Account)(nil)

// mirrored is one open mirror of an account.
type mirrored struct {
	config  config.Mirror
	store   *lazyStore
	counter *providers.Counter
	mirror  *mirror.Mirror
	warning atomic.Pointer[string] // what it said last
}

// openMirrors opens what is known of the account's mirrors. The places themselves are
// opened when they are first needed, and hold up nobody.
func (a *Account) openMirrors(o AccountOptions, sealer *seal.Sealer, primary providers.Store) error {
	for i := range a.config.Mirrors {
		m := &mirrored{config: a.config.Mirrors[i]}
		there := a.config.At(&m.config)
		m.store = newLazyStore(there.Provider, func(ctx context.Context) (providers.Store, error) { return o.Open(ctx, there) })
		m.counter = providers.Count(m.store)
		var err error
		m.mirror, err = mirror.Open(mirror.Options{
			Name: m.config.Name, Place: m.config.Identity(), Shared: m.config.Shared,
			Engine: a.engine, Primary: primary, Mirror: decorate(m.counter, there.Provider, &o),
			Records: a.cache.Records(), Sealer: sealer, Now: o.Now, Log: a.log,
			Progress: a.mirroring.tell,
		})
		if err != nil {
			return fmt.Errorf("agent: opening a mirror: %w", err)
		}
		a.mirrors = append(a.mirrors, m)
	}
	return nil
}

// closeMirrors lets the places go.
func (a *Account) closeMirrors() (err error) {
	for _, m := range a.mirrors {
		err = errors.Join(err, m.store.Close())
	}
	return err
}

// status says how the mirror is.
func (m *mirrored) status() mirror.Status {
	s := m.mirror.Status()
	s.Provider, s.Place = m.config.Kind, m.config.Place()
	if warning := m.warning.Load(); warning != nil {
		s.Warning = *warning
	}
	return s
}

// mirrorStatus says how all mirrors are.
func (a *Account) mirrorStatus() (all []mirror.Status) {
	for _, m := range a.mirrors {
		all = append(all, m.status())
	}
	return all
}

// Mirror works on the mirrors that w names; see [api.Mirrored].
func (a *Account) Mirror(ctx context.Context, w api.MirrorWork, progress func(engine.Progress)) (reports []api.MirrorReport, err error) {
	job := a.job(activity.JobMirror, mirrorText(w.Name), progress)
	defer func() { job.end(err) }()
	defer a.mirroring.add(job.progress)()
	defer a.feed.noteProblems()
	var errs error
	for _, m := range a.mirrors {
		if w.Name != "" && w.Name != m.config.Name {
			continue
		}
		report := api.MirrorReport{Name: m.config.Name}
		if err := a.onMirror(ctx, m, w, &report); err != nil {
			report.Error = err.Error()
			errs = errors.Join(errs, err)
		}
		reports = append(reports, report)
	}
	if w.Name != "" && len(reports) == 0 {
		return nil, fmt.Errorf("agent: %w: no mirror is called %s", api.ErrRequest, w.Name)
	}
	return reports, errs
}

// mirrorText says what work on a mirror is; without a name it is on all.
func mirrorText(name string) string {
	if name == "" {
		return "Working on the mirrors"
	}
	return "Working on the mirror " + name
}

func (a *Account) onMirror(ctx context.Context, m *mirrored, w api.MirrorWork, report *api.MirrorReport) (err error) {
	if w.Erase {
		report.Erased, err = m.mirror.Erase(ctx)
		return err
	}
	for range mirrorRounds {
		one, err := a.mirrorPass(ctx, m, mirror.Work{Look: true, Whole: w.Whole})
		report.Add(one)
		if err != nil {
			return err
		}
		if err := a.follow(ctx, one); err != nil {
			return err
		}
		if one.Waiting == 0 && one.Heads == 0 {
			break
		}
		if one.Copied+one.Restored == 0 {
			break // nothing helps now: what waits is not to be had whole
		}
	}
	if w.Verify {
		return a.guardMirror(ctx, m, func(ctx context.Context) error {
			v, err := m.mirror.Verify(ctx, w.Restart)
			report.Verified = &v
			return err
		})
	}
	return nil
}

// follow lets the engine take up what a mirror gave to the account's own place.
func (a *Account) follow(ctx context.Context, report mirror.Report) error {
	if report.Restored == 0 {
		return nil
	}
	_, err := a.Sync(ctx, engine.Work{Scrub: report.Heads == 0}, nil)
	return err
}

// mirrorPass runs one pass of a mirror, cancelled when nothing moves for a long time.
func (a *Account) mirrorPass(ctx context.Context, m *mirrored, w mirror.Work) (report mirror.Report, err error) {
	err = a.guardMirror(ctx, m, func(ctx context.Context) (err error) {
		report, err = m.mirror.Pass(ctx, w)
		return err
	})
	if err == nil || errors.Is(err, providers.ErrUnauthorised) {
		warning := m.store.Warning(ctx, a.now())
		m.warning.Store(&warning)
	}
	return report, err
}

func (a *Account) guardMirror(ctx context.Context, m *mirrored, work func(context.Context) error) error {
	type traffic struct{ there, here providers.Counts }
	return guard(ctx, func() traffic { return traffic{m.counter.Counts(), a.counter.Counts()} }, work)
}

// refill gives the account's own place what its mirrors hold, before the engine writes
// there again what the cache holds. A mirror that can't be reached is passed over, and
// named at the end.
func (a *Account) refill(ctx context.Context) error {
	if len(a.mirrors) == 0 {
		return nil
	}
	release, err := a.engine.Hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	var errs error
	for _, m := range a.mirrors {
		err := a.guardMirror(ctx, m, func(ctx context.Context) error {
			count, err := m.mirror.Refill(ctx)
			a.log.Info("repair took objects from a mirror", "mirror", m.config.Name, "objects", count)
			return err
		})
		errs = errors.Join(errs, err)
	}
	return errs
}
