package config

// Defaults of [search].
const (
	DefaultSearchMemory = Size(16 << 20)
	DefaultSearchDisk   = Size(256 << 20)
)

// Search is the [search] table: the index over what is on this device. It counts for
// each account.
type Search struct {
	// Enabled is whether there is an index; nil is true. false removes what there was.
	Enabled *bool `toml:"enabled"`
	// Memory bounds what an index takes in memory, about; default 16MiB.
	Memory Size `toml:"memory"`
	// Disk bounds its files; default 256MiB. Beyond it the oldest messages are not searched.
	Disk Size `toml:"disk"`
	// Whole has messages that are not on this device fetched and indexed, slowly.
	Whole bool `toml:"whole"`
}

// On tells whether there is an index.
func (s *Search) On() bool { return s.Enabled == nil || *s.Enabled }

func (s *Search) complete() {
	setDefault(&s.Memory, DefaultSearchMemory)
	setDefault(&s.Disk, DefaultSearchDisk)
}

func (s *Search) check() []string {
	return []string{
		unless(s.Memory >= 4<<20, "search.memory must be 4MiB or more"),
		unless(s.Disk >= 4<<20, "search.disk must be 4MiB or more"),
	}
}
