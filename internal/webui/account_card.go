package webui

import (
	"cmp"
	"slices"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/sync/mirror"
	"github.com/dm3sync/dm3sync/sync/obstacle"
)

// Tones say how something is; a word always stands beside the colour.
const (
	toneGood = "good"
	toneInfo = "info"
	toneWarn = "warn"
	toneBad  = "bad"
)

// accountCard is one account as the overview shows it.
type accountCard struct {
	api.AccountStatus
	Anchor  string // of this card in its page
	Talks   string // address of its conversations
	Copies  string // address of the page that saves copies
	Kind    string // of the place, for people
	Tone    string
	State   string // a word or two
	Meaning string // a sentence, empty where the word says all
	Needs   bool   // somebody has to do something
	Alerts  []notice
	Space   *spaceBar
	Mirrors []mirrorRow
	Alarms  int
	Others  int // problems that are no alarms
}

// spaceBar is the room of a place. Low says that little is left.
type spaceBar struct {
	Used, Left, Total int64 // Left and Total are -1 where the place does not tell
	Percent           int
	Low               bool
}

// mirrorRow is one further place.
type mirrorRow struct {
	mirror.Status
	Kind, Tone, Word string
	Login            string // address of the page that renews its login, "" without one
}

// cards makes the cards of all accounts, in the agent's order, so that they don't move.
func (s *Site) cards() []accountCard {
	status := s.o.Backend.Status()
	list := make([]accountCard, 0, len(status.Accounts))
	for i, a := range status.Accounts {
		list = append(list, newCard(a, "account-"+decimal(int64(i+1)), s.o.Now()))
	}
	return list
}

func newCard(a api.AccountStatus, anchor string, now time.Time) accountCard {
	c := accountCard{AccountStatus: a, Anchor: anchor, Kind: placeKind(a.Provider), Space: newSpaceBar(a.Space)}
	c.Talks = "/conversations?account=" + contactKey(a.Name)
	c.Copies = "/copies/" + contactKey(a.Name)
	for _, p := range a.Problems {
		if p.Alarm {
			c.Alarms++
		} else {
			c.Others++
		}
	}
	c.Tone, c.State, c.Meaning = stateOf(a)
	if c.mayPass(now) && c.Tone == toneGood {
		c.Tone, c.State = toneInfo, "Trying again"
	}
	c.Alerts = alertsOf(&c, now)
	for _, m := range a.Mirrors {
		row := newMirrorRow(m, now)
		if m.Warning != "" && m.Provider == config.KindDrive {
			row.Login = loginPath(a.Name, m.Name)
		}
		c.Mirrors = append(c.Mirrors, row)
		c.Needs = c.Needs || row.Tone == toneBad || m.Warning != "" || len(m.Problems) > 0
	}
	for _, n := range c.Alerts {
		if n.Tone == toneBad || n.Tone == toneWarn {
			c.Needs = true
			if c.Tone == toneGood {
				c.Tone, c.State = toneWarn, "Needs you"
			}
		}
	}
	return c
}

// stateOf says how an account is: the first that is true, the worst first.
func stateOf(a api.AccountStatus) (tone, word, meaning string) {
	switch {
	case !a.Open:
		return toneWarn, "Not open", "Its secret or its cache is not available yet. The agent goes on trying."
	case a.State == "blocked":
		return toneBad, "Stopped", "It has stopped to be safe. Nothing is read from the place or written to it until you say how to go on; new messages are kept on this device."
	case a.Stuck:
		return toneBad, "Stuck", "Messages wait, and no pass has come through for a while. They are kept on this device, and nowhere else."
	case a.Warning != "":
		return toneWarn, "Needs you", ""
	case a.Held:
		return toneInfo, "Held back", "A limit, named above, lets passes run only when you ask for one. They go on by themselves when it ends."
	case a.Paused:
		return toneInfo, "Paused", "Passes run only when you ask for one."
	case a.State == "working":
		return toneInfo, "Working", ""
	case a.LastSuccess.IsZero():
		return toneInfo, "Beginning", "No pass has come through yet."
	case a.Pending > 0:
		return toneInfo, "Waiting", ""
	case a.Small:
		return toneInfo, "Uploads only", "A limit, named above, leaves only uploads of what waits here. What other devices wrote is looked for when it ends, or when you ask."
	}
	return toneGood, "Up to date", ""
}

// alertsOf are what a person should see before the figures, the worst first.
func alertsOf(c *accountCard, now time.Time) (list []notice) {
	add := func(when bool, n notice) {
		if when {
			list = append(list, n)
		}
	}
	add(!c.Open, closedNotice(c.AccountStatus))
	add(c.Alarms > 0, notice{
		Tone: toneBad, Title: alarmSentence(c.Alarms), Way: "Each says what it means and what to do.",
		Link: "/problems", Label: "Show the problems",
	})
	add(c.Warning != "", warningOf(c.AccountStatus))
	add(c.LastError != "" && c.Open, notice{Tone: errorTone(c, now), Title: "The last pass failed.", Text: c.LastError, Way: errorWay(c)})
	add(c.SpoolError != "", notice{Tone: toneWarn, Title: "The spool can't be read.", Text: c.SpoolError, Way: "What stands there waits until it can."})
	add(c.SpoolRejected > 0, notice{Tone: toneWarn, Title: count(c.SpoolRejected, "line") + " of the spool could not be taken.", Way: "They stand in the rejects beside it, each with the reason."})
	add(c.JournalDamaged > 0, notice{Tone: toneBad, Title: count(c.JournalDamaged, "entry") + " of the journal can't be read.", Way: "Set aside in the data folder. Their messages have to be appended again."})
	add(c.CacheRebuilt, notice{Tone: toneInfo, Title: "The cache is being rebuilt from the place.", Way: "It was damaged or missing; nothing has to be done."})
	add(c.Others > 0 && c.Alarms == 0, notice{Tone: toneInfo, Title: count(c.Others, "problem") + " to know of.", Link: "/problems", Label: "Show the problems"})
	return list
}

func alarmSentence(n int) string {
	if n == 1 {
		return "The place did not keep what it promised."
	}
	return "The place did not keep what it promised, in " + number(n) + " ways."
}

// needing are the kinds of obstacles that do not go away by themselves.
var needing = []obstacle.Kind{
	obstacle.Blocked, obstacle.OtherKey, obstacle.Newer, obstacle.Disk, obstacle.ReadOnly, obstacle.Login, obstacle.Refused,
	obstacle.Room, obstacle.Clock, obstacle.Certificate,
}

// mayPass says that what failed may well be over by itself, as when a disk or a network is away for a while: nobody is needed.
func (c *accountCard) mayPass(now time.Time) bool {
	return c.LastError != "" && !c.Stuck && c.AccountStatus.State != "blocked" && c.Warning == "" &&
		!slices.Contains(needing, c.Obstacle) && (c.Space == nil || c.Space.Left != 0) && !c.LastSuccess.IsZero() && now.Sub(c.LastSuccess) < failingLong
}

// errorTone is warn where passes fail and somebody may be needed.
func errorTone(c *accountCard, now time.Time) string {
	if c.mayPass(now) {
		return toneInfo
	}
	if c.Stuck || c.AccountStatus.State == "blocked" {
		return toneBad
	}
	return toneWarn
}

func errorWay(c *accountCard) string {
	switch {
	case c.AccountStatus.State == "blocked":
		return "" // the error says what to do
	case c.Obstacle == obstacle.Room, c.Space != nil && c.Space.Left == 0:
		return "The place is full: make room there, or move to a larger one."
	}
	return "The agent tries again by itself."
}

// newSpaceBar says how full a place is.
func newSpaceBar(s *api.Space) *spaceBar {
	if s == nil || s.Used < 0 && s.Left < 0 {
		return nil
	}
	bar := &spaceBar{Used: s.Used, Left: s.Left, Total: -1}
	if s.Used >= 0 && s.Left >= 0 {
		bar.Total = s.Used + s.Left
		bar.Percent, _ = percent(s.Used, bar.Total)
	}
	bar.Low = s.Left >= 0 && (s.Left < 200_000_000 || bar.Percent >= 95)
	return bar
}

// failingLong is how long a place or a mirror may fail before somebody needs to look.
const failingLong = time.Hour

func newMirrorRow(m mirror.Status, now time.Time) mirrorRow {
	row := mirrorRow{Status: m, Kind: placeKind(m.Provider), Tone: toneInfo, Word: m.State}
	switch {
	case m.LastError != "" && now.Sub(m.LastSuccess) > failingLong:
		row.Tone, row.Word = toneBad, "Failing"
	case m.LastError != "":
		row.Tone, row.Word = toneWarn, "Failing"
	case len(m.Problems) > 0:
		row.Tone, row.Word = toneBad, "Damaged"
	case m.Warning != "":
		row.Tone, row.Word = toneWarn, "Needs you"
	case m.State == "complete":
		row.Tone, row.Word = toneGood, "Complete"
	case m.State == "behind":
		row.Word = "Behind"
	case m.State == "new":
		row.Word = "Beginning"
	}
	return row
}

// placeKind names a kind of place for people; one that is not known stands for itself.
func placeKind(provider string) string {
	known := map[string]string{
		config.KindFolder: "Folder", config.KindFile: "Single file", config.KindS3: "S3", config.KindWebDAV: "WebDAV", config.KindDrive: "Google Drive",
		config.KindIPFS: "IPFS", config.KindSQL: "PostgreSQL", config.KindNode: "dm3 node", config.KindMemory: "Memory",
	}
	return cmp.Or(known[provider], line(provider, nameLetters), "Unknown")
}
