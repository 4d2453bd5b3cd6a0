package activity

import (
	"slices"
	"time"
)

// maxEnded bounds the jobs that are kept after their end.
const maxEnded = 50

// Kinds of jobs.
const (
	JobVerify = "verify" // what is at the place is checked
	JobMirror = "mirror" // a further place is brought up to date
	JobPull   = "pull"   // messages are taken from a dm3 node
	JobImport = "import" // much is appended at once
	JobExport = "export" // conversations are written out
	JobRepair = "repair" // the place is written again from what is here
	JobFetch  = "fetch"  // a range of a conversation is brought here
	JobSearch = "search" // messages are taken into the search index
	JobSync   = "sync"   // a pass that somebody asked for, or one with much to do
)

// JobStatus says how far one piece of long work is.
type JobStatus struct {
	Number  uint64    `json:"number"`
	Account string    `json:"account,omitempty"`
	Kind    string    `json:"kind"`
	Text    string    `json:"text,omitempty"` // a sentence for the user
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"` // zero while it runs
	Step    string    `json:"step,omitempty"` // what it does now
	Done    int64     `json:"done"`
	Total   int64     `json:"total,omitempty"` // 0: unknown
	Unit    string    `json:"unit,omitempty"`  // of Done and Total: "messages", "objects", "bytes"
	Error   string    `json:"error,omitempty"` // how it failed, once it ended
}

// Job is long work that reports its progress. It is safe for concurrent use.
type Job struct {
	log    *Log
	status JobStatus // behind the log's lock
}

// Start notes the begin of long work of a kind, for an account ("": of the
// agent itself); text tells the user what it is. The caller calls End.
func (l *Log) Start(account, kind, text string) *Job {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastJob++
	job := &Job{log: l, status: JobStatus{
		Number: l.lastJob, Account: short(account), Kind: kind, Text: short(text), Started: l.now(),
	}}
	l.jobs = append(l.jobs, job)
	l.note(job)
	return job
}

// Number is that of the job in its [JobStatus] and in events.
func (j *Job) Number() uint64 { return j.status.Number } // never changes

// Progress says what the work is at now, and how much of it is done, in unit;
// total may be 0 where it is not known. It makes no event. After the end it
// does nothing.
func (j *Job) Progress(step string, done, total int64, unit string) {
	j.log.mu.Lock()
	defer j.log.mu.Unlock()
	if !j.status.Ended.IsZero() {
		return
	}
	j.status.Step, j.status.Done, j.status.Total, j.status.Unit = short(step), done, total, unit
	j.log.moved++
	j.log.wake()
}

// End notes the end of the work: well, or with an error. A second end does
// nothing.
func (j *Job) End(err error) {
	j.log.mu.Lock()
	defer j.log.mu.Unlock()
	if !j.status.Ended.IsZero() {
		return
	}
	j.status.Ended = j.log.now()
	if err != nil {
		j.status.Error = short(err.Error())
	}
	j.log.note(j)
	j.log.dropEnded()
}

// note adds the event of a begin or end. Callers hold mu.
func (l *Log) note(j *Job) {
	at := j.status.Started
	if !j.status.Ended.IsZero() {
		at = j.status.Ended
	}
	l.add(Event{
		Time: at, Account: j.status.Account, Kind: KindJob, Text: j.status.Text,
		Job: j.status.Number, Error: j.status.Error,
	})
	l.wake()
}

// dropEnded forgets the jobs that ended first, while there are too many.
func (l *Log) dropEnded() {
	ended := slices.DeleteFunc(slices.Clone(l.jobs), func(j *Job) bool { return j.status.Ended.IsZero() })
	if len(ended) <= maxEnded {
		return
	}
	slices.SortStableFunc(ended, func(a, b *Job) int { return a.status.Ended.Compare(b.status.Ended) })
	drop := ended[:len(ended)-maxEnded]
	l.jobs = slices.DeleteFunc(l.jobs, func(j *Job) bool { return slices.Contains(drop, j) })
}

// Jobs returns the work that goes on and the last pieces of work that ended,
// in the order of their starts.
func (l *Log) Jobs() []JobStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]JobStatus, len(l.jobs))
	for i, job := range l.jobs {
		list[i] = job.status
	}
	return list
}
