package simtest

import (
	"bytes"
	"slices"
	"strings"
)

// harming does what the place does wrong and notes which objects that harmed.
// What an object held before the first harm is kept.
func (w *world) harming(act func()) {
	before := w.server.shown(nil)
	act()
	after := w.server.shown(nil)
	for name, data := range before {
		now, there := after[name]
		if there && bytes.Equal(now, data) {
			continue
		}
		w.harms++
		w.touched[name] = true
		if _, known := w.harmed[name]; !known {
			w.harmed[name] = data
		}
	}
	for name := range after {
		if _, there := before[name]; !there {
			w.harms++ // a rollback brought it back
			w.touched[name] = true
		}
	}
}

// shown are the objects as a device sees them, or, for none, those that every device does.
func (s *server) shown(d *device) map[string][]byte {
	objects := s.snapshot()
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, from := range s.withheld {
		if d == nil || from == everyone || from == d.id {
			delete(objects, name)
		}
	}
	return objects
}

// noticed is a harmed object that a device wrote again, and the kinds of alarms of
// which it must have raised one; none for any.
type noticed struct {
	object string
	kinds  []string
}

// mended notes that a device wrote a harmed object again as it was. It has noticed
// the harm then, and must have raised an alarm: at once for wrong bytes; for a head
// that is gone, where listings are current and puts durable. That a state is gone is no alarm while
// another device may have replaced it (record 10).
func (w *world) mended(device int, name string, data []byte) {
	before, harmed := w.harmed[name]
	if !harmed || !bytes.Equal(before, data) {
		return
	}
	d := w.devices[device]
	now, there := w.server.shown(d)[name]
	isHead := strings.HasPrefix(name, string(d.account.heads)+"/")
	switch {
	case there && bytes.Equal(now, before): // put right by the place itself
	case !w.setting.promise.Durable && (isHead || bytes.HasPrefix(before, now)): // it may have been a put that was cut off
	case there:
		d.noticed = append(d.noticed, noticed{object: name})
	case isHead && w.setting.promise.CurrentListings:
		d.noticed = append(d.noticed, noticed{name, []string{"withheld", "rolled back", "blocked", "damaged", "swapped", "other key"}})
	}
	delete(w.harmed, name)
}

// checkAlarms compares the alarms of a device with what the place did.
func (d *device) checkAlarms(what string) {
	alarms := d.Status().Alarms.Raised
	if len(alarms) > 0 && d.world.harms == 0 {
		d.world.fail("%s: alarms %v, though the place kept its promises", what, alarms)
	}
	d.checkAccused(what)
	for _, n := range d.noticed {
		if len(alarms) == 0 {
			d.world.fail("%s: no alarm, though it mended %s", what, n.object)
		}
		if len(n.kinds) > 0 && !slices.ContainsFunc(n.kinds, func(kind string) bool { return alarms[kind] > 0 }) {
			d.world.fail("%s: no alarm of %v, though it mended %s", what, n.kinds, n.object)
		}
	}
}

// checkAccused checks that alarms name what the place harmed. That an object is not
// there may also come of a harmed head, which would have told what took its place.
func (d *device) checkAccused(what string) {
	w, status := d.world, d.Status()
	headHarmed := false
	for name := range w.touched {
		headHarmed = headHarmed || strings.HasPrefix(name, string(d.account.heads)+"/")
	}
	for _, past := range status.Healed {
		status.Problems = append(status.Problems, past.Problem)
	}
	for _, p := range status.Problems {
		object := strings.Contains(p.Object, "/")
		explained := w.touched[p.Object] || headHarmed && (p.Kind == "missing" || p.Kind == "withheld")
		if p.Alarm && object && !explained {
			w.fail("%s: an alarm that an object is %s, which the place never harmed", what, p.Kind)
		}
	}
}
