package simtest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/dm3sync/dm3sync/cache/cachetest"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// do does one step of a history.
func (w *world) do(kind string, d *device) {
	switch kind {
	case "append":
		w.tasks(func() { d.append(w.batch(d)...) })
	case "remove":
		if hash := w.any(d.account, func(f *fate) bool { return f.acked }); hash != nil {
			w.tasks(func() { d.remove(*hash) })
		}
	case "empty":
		contact := w.contact()
		w.tasks(func() { d.remove(d.account.hashes(func(f *fate) bool { return f.contact == contact && f.acked })...) })
	case "twin":
		w.tasks(func() { w.twin(d) })
	case "hide":
		w.tasks(func() { w.hide(d) })
	case "read":
		w.read(d)
	case "flush":
		w.tasks(func() { d.pass(engine.Work{Flush: true}) })
	case "pass":
		w.tasks(func() { d.pass(engine.Work{}) })
	case "settle":
		w.tasks(func() { d.pass(engine.Work{Settle: true}) })
	case "scrub":
		w.tasks(func() { d.pass(engine.Work{Scrub: true}) })
	case "together":
		w.together()
	case "cut", "cutdisk", "restart":
		w.restart(kind, d)
	case "skew":
		d.skew = time.Duration(w.random.Int64N(int64(20*time.Second))) - 10*time.Second
		if d.jump = 0; w.random.IntN(3) == 0 {
			d.jump = time.Duration(w.random.Int64N(int64(decades))) - decades/2
		}
	case "sleep":
		w.sleep(10 * 24 * time.Hour)
	case "join":
		if len(w.devices) < 5 {
			w.join(d.account)
		}
	default:
		w.disturb(kind, d)
	}
}

// disturb does what changes the surroundings of the devices.
func (w *world) disturb(kind string, d *device) {
	switch kind {
	case "weather":
		w.setWeather(d, w.drawWeather())
	case "calm":
		w.setWeather(d, weather{})
	case "catchup":
		d.server.catchUp(false)
	case "carry":
		w.carrier.carry(w.random, 1+w.random.IntN(12))
	case "backup":
		d.keepBackup()
	case "rot":
		w.rot(d)
	case "fill":
		d.disk.SetLimit(d.disk.Used() + int64(w.random.IntN(20_000)))
		d.full = true
	case "empty disk":
		d.emptyDisk()
	case "restore", "clone", "lose":
		w.replace(kind, d)
	default:
		w.harming(func() { w.lie(kind) })
	}
}

const decades = 40 * 365 * 24 * time.Hour

func (w *world) contact() string { return fmt.Sprintf("friend%d.eth", w.random.IntN(3)) }

// read reads a range of one conversation.
func (w *world) read(d *device) {
	r := engine.Range{}
	if w.random.IntN(4) > 0 {
		r.From = w.clock - int64(w.random.IntN(8000))
		r.To = r.From + 1 + int64(w.random.IntN(4000))
	}
	if w.random.IntN(2) == 0 {
		r.Last = 1 + w.random.IntN(20)
	}
	contact := w.contact()
	w.tasks(func() { d.read(contact, r) })
}

// together lets all devices do something at once.
func (w *world) together() {
	var tasks []func()
	for _, d := range w.devices {
		if d.gone {
			continue
		}
		work := engine.Work{Flush: w.random.IntN(4) == 0, Settle: w.random.IntN(8) == 0, Scrub: w.random.IntN(12) == 0}
		items := w.batch(d)
		first := w.random.IntN(2) == 0
		tasks = append(tasks, func() {
			if first {
				d.append(items...)
			}
			d.pass(work)
		})
	}
	w.tasks(tasks...)
}

// restart ends a run of a device: in good order, or in the middle of a request
// or of a write to its disk; and starts the next one.
func (w *world) restart(kind string, d *device) {
	work := engine.Work{Settle: w.random.IntN(2) == 0, Scrub: w.random.IntN(6) == 0}
	items := w.batch(d)
	switch kind {
	case "cut":
		d.view.budget = 1 + w.random.IntN(25)
	case "cutdisk":
		d.writes.Store(int64(1 + w.random.IntN(30)))
	}
	w.tasks(func() {
		if kind == "cutdisk" {
			d.append(items...)
		}
		if kind != "restart" && !d.view.dead.Load() {
			d.pass(work)
		}
		d.stop()
		d.start()
	})
}

// watchDisk makes the disk lose power when its time has come.
func (w *world) watchDisk(d *device) {
	d.disk.SetHook(func(operation cachetest.Operation) cachetest.Outcome {
		if *trace {
			w.log(fmt.Sprintf("      disk %d: %v %s %d", d.id, operation.Kind, operation.Path, d.writes.Load()))
		}
		w.writes.Add(1)
		if d.writes.Load() == 0 {
			return cachetest.Outcome{}
		}
		// One write at a time, in an order of its own.
		w.schedule.pause(d.id, fmt.Sprintf("disk %v %s", operation.Kind, operation.Path))
		if d.writes.Add(-1) != 0 {
			return cachetest.Outcome{}
		}
		d.shake()
		if d.view != nil {
			d.view.dead.Store(true)
		}
		if w.setting.liar {
			d.disk.Kill()
			return cachetest.Outcome{}
		}
		return cachetest.Outcome{Crash: true, After: d.random.IntN(2) == 0}
	})
}

// rot flips a bit in some copy that a device keeps; what is not in order there
// must be as good as absent.
func (w *world) rot(d *device) {
	files := slices.DeleteFunc(d.disk.Files(), func(f cachetest.File) bool {
		return f.Size == 0 || !strings.Contains(f.Path, "/blobs/")
	})
	if len(files) == 0 {
		return
	}
	if err := d.disk.Flip(files[w.random.IntN(len(files))].Path, 1, w.random); err != nil {
		w.fail("device %d: %v", d.id, err)
	}
}

// replace puts an old disk, or none, in place of a device's.
func (w *world) replace(kind string, d *device) {
	switch kind {
	case "restore":
		if d.backup == nil {
			return
		}
		w.tasks(func() {
			d.excuse()
			d.stop()
			d.disk, d.knows = w.clone(d.backup.disk), maps.Clone(d.backup.knows)
			d.full = false
			d.shake()
			w.watchDisk(d)
			d.start()
		})
	case "clone":
		if len(w.devices) >= 5 || d.cloned {
			return
		}
		d.cloned = true
		d.shake()
		w.clones++
		w.tasks(func() { d.stop() })
		disk := w.clone(d.disk)
		w.tasks(func() { d.start() })
		w.tasks(func() {
			copied := w.add(d.account, disk)
			copied.knows = maps.Clone(d.knows)
			copied.shake()
		})
	case "lose":
		if w.living(d.account) < 2 {
			return
		}
		if w.carrier != nil {
			w.carrier.carry(w.random, -1) // what was on its copy of the folder only would be lost as well
		}
		w.tasks(func() {
			d.excuse()
			d.stop()
		})
		d.gone = true
	}
}

func (w *world) living(a *account) (n int) {
	for _, d := range w.devices {
		if d.account == a && !d.gone {
			n++
		}
	}
	return n
}

// lie is what the place does wrong by itself.
func (w *world) lie(kind string) {
	s := w.server
	switch kind {
	case "keep":
		w.backup = s.snapshot()
	case "rollback":
		if w.backup != nil {
			s.restore(w.backup)
		}
	case "flip":
		name := s.pick(w.random, nil)
		w.log("      the place spoils " + name)
		s.spoil(name, w.spoiled)
	case "swap":
		w.swap(s)
	case "drop":
		if name := s.pick(w.random, nil); name != "" {
			w.log("      the place drops " + name)
			s.lose(name)
		}
	case "wipe":
		if name := s.pick(w.random, nil); name != "" {
			key, _, _ := strings.Cut(name, "/")
			w.log("      the place wipes " + key)
			for _, object := range s.list(key + "/") {
				s.lose(object.Name)
			}
		}
	case "withhold":
		name := s.pick(w.random, nil)
		w.log("      the place withholds " + name)
		s.withheld[name] = everyone
		if w.random.IntN(2) == 0 { // or from one of them, who sees another place than the others
			s.withheld[name] = w.random.IntN(len(w.devices))
		}
	case "show":
		clear(s.withheld)
	}
}

// spoiled flips a bit of an object, mostly, or leaves a part of it, or nothing.
func (w *world) spoiled(data []byte) []byte {
	switch harm := w.random.IntN(6); {
	case len(data) == 0 || harm == 0:
		return data[:0]
	case harm == 1:
		return data[:w.random.IntN(len(data))]
	}
	data[w.random.IntN(len(data))] ^= 1 << w.random.IntN(8)
	return data
}

// swap exchanges the bytes of two objects, of one container where there are two.
func (w *world) swap(s *server) {
	one := s.pick(w.random, nil)
	key, _, _ := strings.Cut(one, "/")
	near := w.random.IntN(2) == 0
	other := s.pick(w.random, func(name string) bool { return name != one && (!near || strings.HasPrefix(name, key+"/")) })
	if other == "" {
		return
	}
	w.log("      the place swaps " + one + " and " + other)
	a, b := s.objects[one], s.objects[other]
	s.spoil(one, func([]byte) []byte { return slices.Clone(b) })
	s.spoil(other, func([]byte) []byte { return slices.Clone(a) })
}

// finish ends all faults, lets the devices pass until all is quiet, and checks
// what must hold then.
func (w *world) finish() {
	w.quiet()
	// A device that is gone, or has another name now, counts as active for eight
	// looks of the others; only then somebody else does its part.
	for round := range 16 {
		if round == 3 || round == 8 {
			time.Sleep(2*w.setting.grace + time.Hour) // what was deleted may go then
		}
		for _, d := range w.devices {
			if !d.gone {
				w.tasks(func() {
					d.pass(engine.Work{Settle: round < 4 || round > 13, Scrub: round == 1 || round == 2 || round == 5 || round == 6})
					if d.Status().State == "blocked" { // as its user does, who was told
						d.pass(engine.Work{Settle: true, Restore: true})
					}
				})
			}
			if w.carrier != nil {
				w.carrier.carry(w.random, -1)
			}
		}
	}
	if w.spent {
		return
	}
	for _, d := range w.devices {
		if !d.gone {
			w.tasks(func() { d.check(d.String()) })
		}
	}
	for _, a := range w.accounts {
		w.checkFresh(a)
	}
}

// quiet ends all faults.
func (w *world) quiet() {
	for _, d := range w.devices {
		if d.gone {
			continue
		}
		d.emptyDisk()
		w.setWeather(d, weather{})
		d.server.catchUp(true)
	}
	if w.server != nil {
		clear(w.server.withheld)
		w.server.catchUp(true)
	}
	if w.carrier != nil {
		w.carrier.carry(w.random, -1)
	}
}

// checkFresh starts a device that knows nothing, and lets it look at everything.
func (w *world) checkFresh(a *account) {
	fresh := w.add(a, cachetest.New(rand.New(rand.NewPCG(w.seed, 999))))
	w.tasks(func() { fresh.pass(engine.Work{Settle: true, Scrub: true}) })
	for range 2 {
		for _, d := range w.devices {
			if !d.gone && d.account == a {
				w.tasks(func() { d.pass(engine.Work{Settle: true}) })
				if w.carrier != nil {
					w.carrier.carry(w.random, -1)
				}
			}
		}
	}
	w.tasks(func() { fresh.check("a fresh device") })
	for _, d := range w.devices {
		if d.account == a && !d.gone && d.hidden() != fresh.hidden() {
			w.fail("device %d hides %q, a fresh one %q", d.id, d.hidden(), fresh.hidden())
		}
	}
	if w.carrier == nil { // a copy keeps what its device could not yet prove to be anywhere else
		w.checkContents(a)
	}
	w.checkQuiet(a)
	for _, d := range w.devices {
		if d.account == a && !d.gone {
			w.tasks(func() { w.verify(d) })
			w.checkDisk(d)
		}
	}
}
