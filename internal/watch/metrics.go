package watch

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/dm3sync/dm3sync/sync/engine"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// scrapesAtOnce bounds what many who ask at once can cost.
const scrapesAtOnce = 4

// MetricsOptions say what metrics tell.
type MetricsOptions struct {
	// Read reads all accounts, and never waits.
	Read func() []Reading
	// Label is what an account is called.
	Label func(account string) string
	// Version of this program, and when the agent started.
	Version string
	Started time.Time
}

// Metrics answers scrapes of a Prometheus, with numbers of the moment. Contacts are
// never among them, nor places.
func Metrics(o MetricsOptions) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister( // fails only for collectors that contradict each other, which a test would show
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&collector{o},
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: scrapesAtOnce, Timeout: 10 * time.Second})
}

// collector reads the accounts at every scrape. It implements prometheus.Collector.
type collector struct{ o MetricsOptions }

// Describe implements prometheus.Collector: a collector that describes nothing is
// checked at every scrape.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	e := emitter{out: out}
	e.gauge("dm3sync_build_info", "The version of the agent; always 1.", 1, label{"version", c.o.Version})
	e.gauge("dm3sync_started_timestamp_seconds", "When the agent started.", seconds(c.o.Started))
	for _, r := range c.o.Read() {
		e.account = c.o.Label(r.Name)
		e.work(&r)
		e.state(&r)
		e.traffic(&r)
		e.alarms("", r.Problems, r.Alarms)
		e.mirrors(&r)
		e.node(&r)
	}
}

// label is a name and a value.
type label struct{ name, value string }

// emitter writes metrics of one account.
type emitter struct {
	out     chan<- prometheus.Metric
	account string
}

func (e *emitter) gauge(name, help string, value float64, labels ...label) {
	e.emit(prometheus.GaugeValue, name, help, value, labels)
}

func (e *emitter) counter(name, help string, value float64, labels ...label) {
	e.emit(prometheus.CounterValue, name, help, value, labels)
}

func (e *emitter) emit(kind prometheus.ValueType, name, help string, value float64, labels []label) {
	if e.account != "" {
		labels = append([]label{{"account", e.account}}, labels...)
	}
	names, values := make([]string, len(labels)), make([]string, len(labels))
	for i, l := range labels {
		names[i], values[i] = l.name, l.value
	}
	metric, err := prometheus.NewConstMetric(prometheus.NewDesc(name, help, names, nil), kind, value, values...)
	if err != nil { // the scrape fails, and says why
		metric = prometheus.NewInvalidMetric(prometheus.NewDesc(name, help, names, nil), err)
	}
	e.out <- metric
}

// work is what waits and what was done.
func (e *emitter) work(r *Reading) {
	e.counter("dm3sync_passes_total", "Passes since the account was opened.", float64(r.Passes))
	e.counter("dm3sync_passes_failed_total", "Passes that failed, since the account was opened.", float64(r.Failed))
	e.gauge("dm3sync_last_pass_timestamp_seconds", "When the last pass ended; 0: never.", seconds(r.LastPass))
	e.gauge("dm3sync_last_success_timestamp_seconds", "When the last pass succeeded; 0: never.", seconds(r.LastSuccess))
	e.gauge("dm3sync_pending_messages", "Messages that wait for the place.", float64(r.Pending))
	e.gauge("dm3sync_pending_bytes", "Bytes of messages that wait for the place.", float64(r.PendingBytes))
	e.gauge("dm3sync_conversations", "Conversations that are known here, without hidden ones.", float64(r.Conversations))
	e.gauge("dm3sync_chunks", "Chunks that are known here.", float64(r.Chunks))
	e.gauge("dm3sync_journal_bytes", "What the journal takes on this disk.", float64(r.JournalBytes))
	e.gauge("dm3sync_cache_bytes", "What sealed states take on this disk.", float64(r.CacheBytes))
	e.gauge("dm3sync_journal_damaged_frames", "Frames of the journal that could not be read.", float64(r.JournalDamaged))
	e.counter("dm3sync_spool_rejected_lines_total", "Lines of the spool that were rejected, since the start.", float64(r.SpoolRejected))
}

// state is how the account is.
func (e *emitter) state(r *Reading) {
	e.gauge("dm3sync_open", "1 when the account is open.", number(r.Open))
	e.gauge("dm3sync_blocked", "1 when the account stopped to be safe.", number(r.State == "blocked"))
	e.gauge("dm3sync_stuck", "1 when nothing gets through.", number(r.Stuck))
	e.gauge("dm3sync_paused", "1 when passes run only when asked for.", number(r.Paused))
	e.gauge("dm3sync_failing", "1 when the last pass failed.", number(r.LastError != ""))
	e.obstacle("dm3sync_", r.Obstacle)
	e.gauge("dm3sync_warning", "1 when the place asks something of the user.", number(r.Warning != ""))
	if r.Space != nil && r.Space.Used >= 0 {
		e.gauge("dm3sync_place_used_bytes", "What the place says is used.", float64(r.Space.Used))
	}
	if r.Space != nil && r.Space.Left >= 0 {
		e.gauge("dm3sync_place_left_bytes", "What the place says is left.", float64(r.Space.Left))
	}
}

// obstacle is what kind of thing is in the way, a word of this program; nothing where nothing is.
func (e *emitter) obstacle(prefix string, kind obstacle.Kind, labels ...label) {
	if kind != obstacle.None {
		e.gauge(prefix+"obstacle", "1 for the kind of thing that is in the way.", 1, append(labels, label{"kind", string(kind)})...)
	}
}

// traffic is what was asked of the place.
func (e *emitter) traffic(r *Reading) {
	t := r.Traffic
	for _, kind := range []struct {
		name  string
		count int64
	}{{"put", t.Puts}, {"get", t.Gets}, {"range", t.Ranges}, {"list", t.Lists}, {"delete", t.Deletes}} {
		e.counter("dm3sync_requests_total", "Requests to the place, since the account was opened.", float64(kind.count), label{"kind", kind.name})
	}
	e.counter("dm3sync_requests_failed_total", "Requests to the place that failed, of all kinds.", float64(t.Failed))
	for direction, bytes := range map[string]int64{"up": t.Up, "down": t.Down} {
		e.counter("dm3sync_bytes_total", "Bytes of objects to (up) and from (down) the place.", float64(bytes), label{"direction", direction})
	}
	e.counter("dm3sync_listed_total", "Names that listings gave.", float64(t.Listed))
	e.counter("dm3sync_deleted_total", "Objects that were deleted at the place.", float64(t.Deleted))
}

// alarms are by kind: words of this program. mirror is empty for the place itself.
func (e *emitter) alarms(mirror string, problems []engine.Problem, a engine.Alarms) {
	prefix, labels := "dm3sync_", []label(nil)
	if mirror != "" {
		prefix, labels = "dm3sync_mirror_", []label{{"mirror", mirror}}
	}
	present := make(map[string]int)
	for i := range problems {
		present[problems[i].Kind]++
	}
	for kind, count := range present {
		e.gauge(prefix+"problems", "Problems that are present, by kind.", float64(count), append(labels[:len(labels):len(labels)], label{"kind", kind})...)
	}
	for kind, count := range a.Raised {
		e.counter(prefix+"alarms_raised_total", "Promises that were found broken, in the life of this device's cache.", float64(count), append(labels[:len(labels):len(labels)], label{"kind", kind})...)
	}
	for kind, count := range a.Healed {
		e.counter(prefix+"alarms_healed_total", "Of those, what was healed.", float64(count), append(labels[:len(labels):len(labels)], label{"kind", kind})...)
	}
}

// mirrors are called by their place in the configuration: their names may tell.
func (e *emitter) mirrors(r *Reading) {
	for i := range r.Mirrors {
		m := &r.Mirrors[i]
		at := label{"mirror", strconv.Itoa(i + 1)}
		e.gauge("dm3sync_mirror_waiting_objects", "Objects that the mirror lacks.", float64(m.Waiting), at)
		e.gauge("dm3sync_mirror_objects", "Objects that the mirror is known to hold.", float64(m.Objects), at)
		e.gauge("dm3sync_mirror_last_success_timestamp_seconds", "When the mirror was complete last; 0: never.", seconds(m.LastSuccess), at)
		e.gauge("dm3sync_mirror_failing", "1 when the mirror's last pass failed.", number(m.LastError != ""), at)
		e.obstacle("dm3sync_mirror_", m.Obstacle, at)
		e.alarms(at.value, m.Problems, m.Alarms)
	}
}

// node is the bridge to the account's dm3 node.
func (e *emitter) node(r *Reading) {
	if r.Node == nil {
		return
	}
	e.gauge("dm3sync_node_last_success_timestamp_seconds", "When the bridge to the dm3 node succeeded last; 0: never.", seconds(r.Node.LastSuccess))
	e.gauge("dm3sync_node_failing", "1 when the bridge's last pass failed.", number(r.Node.Error != ""))
	e.obstacle("dm3sync_node_", r.Node.Obstacle)
	e.counter("dm3sync_node_moved_messages_total", "Messages that the bridge moved, both ways, since the start.", float64(r.Node.Moved))
	e.counter("dm3sync_node_forged_messages_total", "Messages that came with a wrong signature, since the start.", float64(r.Node.Forged))
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// seconds is Unix time; 0 for the zero time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
