package simtest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dm3sync/dm3sync/cache/cachetest"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/internal/seal"
	"github.com/dm3sync/dm3sync/sync/engine"
)

const failuresMost = 8 // told of one world

// world is some devices on one place.
type world struct {
	seed     uint64
	setting  setting
	schedule scheduler
	random   *rand.Rand // of the step that is being done
	starts   uint64
	accounts []*account
	devices  []*device
	server   *server  // nil in a carried folder, where each device has a copy
	carrier  *carrier // nil elsewhere
	backup   map[string][]byte
	harmed   map[string][]byte // as they were, until a device writes it again
	touched  map[string]bool   // objects that the place ever harmed
	harms    int               // that the place did
	authors  map[string]author // of heads, by object
	clones   int
	clock    int64 // of the messages, milliseconds
	texts    map[container.MessageHash][]byte
	log      func(string)
	told     bool         // somebody reads what is logged
	writes   atomic.Int64 // to all disks
	spent    bool         // it cost too much, and is over
	idle     func() bool  // nobody waits for what becomes of it; may be nil

	failures []string
}

func newWorld(seed uint64, s setting) *world {
	w := &world{seed: seed, setting: s, random: rand.New(rand.NewPCG(seed, 0)), clock: 1_000_000,
		texts: make(map[container.MessageHash][]byte), harmed: make(map[string][]byte), touched: make(map[string]bool), authors: make(map[string]author), log: func(string) {}}
	w.schedule.weigh = w.weigh
	if s.promise.Carried {
		w.carrier = &carrier{arrived: w.arrived}
	} else {
		w.server = newServer()
	}
	for i := range s.accounts {
		sealer, err := seal.New([32]byte{byte(i + 1)}, &seal.Options{NoCompression: !s.compress})
		if err != nil {
			panic(err) // no options are wrong here
		}
		name := fmt.Sprintf("alice%d.eth", i)
		w.accounts = append(w.accounts, &account{name: name, root: container.RootKey(name), heads: container.HeadsKey(container.RootKey(name)), sealer: sealer,
			fates: make(map[container.MessageHash]*fate)})
	}
	for i := range s.devices {
		w.join(w.accounts[i%len(w.accounts)])
	}
	return w
}

// join adds a device with an empty disk.
func (w *world) join(a *account) *device {
	return w.add(a, cachetest.New(rand.New(rand.NewPCG(w.seed, uint64(1000+len(w.devices))))))
}

func (w *world) add(a *account, disk *cachetest.Disk) *device {
	d := &device{world: w, id: len(w.devices), account: a, disk: disk, server: w.server,
		random: rand.New(rand.NewPCG(w.seed, uint64(2000+len(w.devices)))), knows: make(map[container.MessageHash]bool), met: make(map[string]int), born: len(w.authors)}
	if w.carrier != nil {
		d.server = w.carrier.add()
	}
	w.devices = append(w.devices, d)
	w.watchDisk(d)
	d.start()
	return d
}

// clone copies a disk.
func (w *world) clone(disk *cachetest.Disk) *cachetest.Disk {
	copied := disk.Clone(rand.New(rand.NewPCG(w.random.Uint64(), 0)))
	copied.SetLimit(0)
	return copied
}

func (w *world) fail(format string, arguments ...any) {
	if len(w.failures) < failuresMost {
		w.failures = append(w.failures, fmt.Sprintf(format, arguments...))
		w.log("FAIL: " + w.failures[len(w.failures)-1])
	}
}

// calm tells whether nothing excuses a failed pass.
func (w *world) calm(d *device) bool {
	return d.view.weather == weather{} && !w.setting.liar
}

// nextSeed is for the random names of one run of a device.
func (w *world) nextSeed() (seed [32]byte) {
	w.starts++
	return sha256.Sum256(fmt.Appendf(nil, "%d %d", w.seed, w.starts))
}

// run does the steps and then checks, when all is quiet, what must hold.
func (w *world) run(steps []step) []string {
	for i, s := range steps {
		if len(w.failures) > 0 {
			break
		}
		w.random = rand.New(rand.NewPCG(s.seed, 1))
		d := w.devices[s.device%len(w.devices)]
		if d.gone {
			continue
		}
		if w.told {
			w.log(fmt.Sprintf("%3d %v", i, s))
		}
		w.do(s.kind, d)
	}
	if len(w.failures) == 0 {
		w.random = rand.New(rand.NewPCG(w.seed, 3))
		w.finish()
	}
	for _, d := range w.devices {
		if d.Engine != nil {
			w.tasks(func() { d.stop() })
		}
	}
	return w.failures
}

// tasks runs what devices do, side by side.
func (w *world) tasks(tasks ...func()) {
	if err := w.schedule.run(w.random, tasks...); err != nil {
		w.fail("%v", err)
		panic(fmt.Sprintf("seed %d: %v", w.seed, err)) // its goroutines can't be ended
	}
}

// message makes an envelope to one of a few contacts.
func (w *world) message(a *account, at int64) engine.Item {
	contact := fmt.Sprintf("friend%d.eth", w.random.IntN(3))
	text := strings.Repeat("word ", w.random.IntN(40))
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", contact, at, w.random.Uint64()))
	signature := base64.StdEncoding.EncodeToString(append(sum[:], sum[:]...))
	return parsed(contact, fmt.Appendf(nil, // not %q, which looks at every character
		`{"message":{"message":"%s","metadata":{"from":"%s","timestamp":%d,"to":"%s","type":"NEW"},"signature":"%s"}}`, text, a.name, at, contact, signature))
}

func parsed(contact string, text []byte) engine.Item {
	envelope, _, err := container.ParseEnvelope(text)
	if err != nil {
		panic(err) // the text is made here
	}
	return engine.Item{Contact: contact, Envelope: envelope}
}

// batch makes messages as they are written on a device: mostly now, by its
// clock, some with a time of long ago, some of one time.
func (w *world) batch(d *device) []engine.Item {
	items := make([]engine.Item, 1+w.random.IntN(6))
	for i := range items {
		w.clock += int64(w.random.IntN(50))
		at := w.clock + d.skew.Milliseconds()
		switch w.random.IntN(10) {
		case 0:
			at -= int64(w.random.IntN(3000))
		case 1:
			at = w.clock / 1000 * 1000
		}
		items[i] = w.message(d.account, max(at, 0))
	}
	return items
}

// twin appends a message once more with other words around it, as when another
// delivery service carried it.
func (w *world) twin(d *device) {
	hash := w.any(d.account, func(*fate) bool { return true })
	if hash == nil {
		return
	}
	f := d.account.fates[*hash]
	text := strings.TrimSuffix(string(f.text), "}")
	if strings.Contains(text, `"postmark"`) {
		return
	}
	text += fmt.Sprintf(`,"postmark":{"incommingTimestamp":%d}}`, w.random.IntN(1000))
	d.append(parsed(f.contact, []byte(text)))
}

func (w *world) any(a *account, fits func(*fate) bool) *container.MessageHash {
	fitting := a.hashes(fits)
	if len(fitting) == 0 {
		return nil
	}
	return &fitting[w.random.IntN(len(fitting))]
}

// drawWeather draws what goes wrong with a device's requests for a while.
func (w *world) drawWeather() weather {
	rate := func(most int) int {
		if w.random.IntN(3) > 0 {
			return 0
		}
		return w.random.IntN(most)
	}
	v := weather{lost: rate(150), late: rate(150), busy: rate(100), partial: rate(200)}
	if w.carrier != nil {
		v.late = 0 // a folder on this machine
	}
	if !w.setting.promise.CurrentListings {
		v.stale = rate(400)
	}
	if !w.setting.promise.Durable {
		v.torn, v.half = rate(150), rate(150)
	}
	switch w.random.IntN(12) {
	case 0:
		v.full = true
	case 1:
		v.denied = true
	case 2:
		v.offline = true
	}
	return v
}

func (w *world) setWeather(d *device, v weather) {
	d.weather, d.view.weather = v, v
}

func (w *world) sleep(longest time.Duration) {
	time.Sleep(time.Duration(w.random.Int64N(int64(longest))))
}
