package simtest

import (
	"bytes"
	"strings"
)

// harming does what the place does wrong and notes which objects that harmed.
// What an object held before the first harm is kept.
func (w *world) harming(act func()) {
	before := w.server.shown()
	act()
	after := w.server.shown()
	for name, data := range before {
		now, there := after[name]
		if there && bytes.Equal(now, data) {
			continue
		}
		w.harms++
		if _, known := w.harmed[name]; !known {
			w.harmed[name] = data
		}
	}
	for name := range after {
		if _, there := before[name]; !there {
			w.harms++ // a rollback brought it back
		}
	}
}

// shown are the objects as requests see them.
func (s *server) shown() map[string][]byte {
	objects := s.snapshot()
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.withheld {
		delete(objects, name)
	}
	return objects
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
	now, there := w.server.shown()[name]
	d := w.devices[device]
	isHead := strings.HasPrefix(name, string(d.account.heads)+"/")
	switch {
	case there && bytes.Equal(now, before): // put right by the place itself
	case isHead && !w.setting.promise.Durable: // it may have been a put that was cut off
	case there, isHead && w.setting.promise.CurrentListings:
		d.noticed = append(d.noticed, name)
	}
	delete(w.harmed, name)
}

// checkAlarms compares the alarms of a device with what the place did.
func (d *device) checkAlarms(what string) {
	alarms := d.Status().Alarms.Raised
	if len(alarms) > 0 && d.world.harms == 0 {
		d.world.fail("%s: alarms %v, though the place kept its promises", what, alarms)
	}
	if len(alarms) == 0 && len(d.noticed) > 0 {
		d.world.fail("%s: no alarm, though it mended %v", what, d.noticed)
	}
}
