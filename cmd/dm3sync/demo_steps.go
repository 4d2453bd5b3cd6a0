package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dm3sync/dm3sync/internal/agent"
	"github.com/dm3sync/dm3sync/internal/chat"
	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/history"
	"github.com/dm3sync/dm3sync/internal/setup"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// demonstration is the demo's state: the sample, the devices, the steps so far.
type demonstration struct {
	program *program
	folder  string
	steps   []demoStep

	account  string
	messages []chat.Message
	opened   []*device
}

// device is one device of the account, with its own data folder.
type device struct {
	*agent.Account
	name string
}

// run goes through the steps; an error also means that a result was not the
// expected one.
func (d *demonstration) run(ctx context.Context) (err error) {
	defer func() {
		for _, opened := range d.opened {
			err = errors.Join(err, opened.Close())
		}
	}()
	for _, step := range []func(context.Context) error{d.prepare, d.writeAtOnce, d.meet, d.tidy, d.oneMessage, d.idle, d.readWeek, d.verify} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes an account with a new wallet, its folder and two devices, and
// the messages, signed by nobody in particular.
func (d *demonstration) prepare(ctx context.Context) error {
	for _, name := range []string{"phone", "laptop"} {
		if _, err := d.device(ctx, name); err != nil {
			return err
		}
	}
	lines, err := chat.Sample()
	if err != nil {
		return err
	}
	generator := chat.NewGenerator(d.account, chat.ByRegular, nil)
	for _, line := range lines {
		d.messages = append(d.messages, generator.Message(line))
	}
	return nil
}

// device writes the device's configuration and opens the account there.
func (d *demonstration) device(ctx context.Context, name string) (*device, error) {
	file := filepath.Join(d.folder, name+".toml")
	answers := &initAnswers{Answers: setup.Answers{
		Name: d.account, NewWallet: d.account == "", SecretFile: filepath.Join(d.folder, "wallet.key"), Form: "wallet-key",
		Data: filepath.Join(d.folder, name), Folder: filepath.Join(d.folder, "provider"),
	}}
	quiet := &program{now: d.program.now, quiet: true} // without environment: the user's settings are no part of this
	if _, err := quiet.writeConfig(file, answers); err != nil {
		return nil, err
	}
	d.account = answers.Name
	c, err := config.Load(file, &config.Options{Environ: quiet.environ})
	if err != nil {
		return nil, err
	}
	if _, err := quiet.prepare(ctx, c, &c.Accounts[0]); err != nil {
		return nil, err
	}
	opened, err := agent.OpenAccount(ctx, c.Accounts[0], agent.AccountOptions{Config: c})
	if err != nil {
		return nil, err
	}
	one := &device{opened, name}
	d.opened = append(d.opened, one)
	return one, nil
}

// step runs work and notes what it cost the device at the provider.
func (d *demonstration) step(title string, on *device, work func() (result string, err error)) error {
	before := on.Counts()
	result, err := work()
	if err != nil {
		return fmt.Errorf("%s on the %s: %w", title, on.name, err)
	}
	cost := on.Counts().Minus(before)
	d.steps = append(d.steps, demoStep{Step: title, Device: on.name, Result: result, Requests: cost.Requests(), Sent: cost.Up, Received: cost.Down})
	return nil
}

// writeAtOnce: both devices take over half of the messages and upload them, at
// the same time.
func (d *demonstration) writeAtOnce(ctx context.Context) error {
	steps := make([]demoStep, 2)
	group, inGroup := errgroup.WithContext(ctx)
	for half, on := range d.opened[:2] {
		group.Go(func() error {
			alone := &demonstration{} // steps of two goroutines, joined below
			err := alone.step("write half the messages, at once", on, func() (string, error) { return d.writeHalf(inGroup, on, half) })
			steps[half] = slices.Concat(alone.steps, []demoStep{{}})[0]
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	d.steps = append(d.steps, steps...)
	return nil
}

func (d *demonstration) writeHalf(ctx context.Context, on *device, half int) (string, error) {
	text := &bytes.Buffer{}
	for i := half; i < len(d.messages); i += 2 {
		text.Write(d.messages[i].JSON)
		text.WriteByte('\n')
	}
	size := int64(text.Len())
	summary, err := on.Append(ctx, text, history.AppendOptions{})
	if err != nil {
		return "", err
	}
	if summary.Rejected > 0 {
		return "", fmt.Errorf("%d messages were rejected, the first because %s", summary.Rejected, summary.Rejections[0].Reason)
	}
	report, err := on.Sync(ctx, engine.Work{Settle: true}, nil)
	if err != nil {
		return "", err
	}
	if report.Pending > 0 {
		return "", fmt.Errorf("%d messages are still waiting", report.Pending)
	}
	return fmt.Sprintf("%d messages, %s", summary.Accepted, byteSize(size)), nil
}

// meet: each device fetches what the other wrote, and both know everything.
func (d *demonstration) meet(ctx context.Context) error {
	for _, on := range d.opened[:2] {
		err := d.step("fetch what the other wrote", on, func() (string, error) {
			if _, err := on.Sync(ctx, engine.Work{Settle: true}, nil); err != nil {
				return "", err
			}
			return d.expectAll(ctx, on)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tidy: the pass that the agent runs now and then. Both devices began chunks of
// the same conversations; now every message comes to the chunk that covers its
// time, and small states are united.
func (d *demonstration) tidy(ctx context.Context) error {
	for _, on := range d.opened[:2] {
		err := d.step("tidy up", on, func() (string, error) {
			report, err := on.Sync(ctx, engine.Work{Settle: true}, nil)
			return plural(report.Compacted, "small object") + " put together", err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// expectAll reads every conversation and fails unless all messages are there.
func (d *demonstration) expectAll(ctx context.Context, on *device) (string, error) {
	conversations, err := on.Conversations(ctx)
	if err != nil {
		return "", err
	}
	found := 0
	for _, c := range conversations {
		page, err := on.Messages(ctx, c.Contact, engine.Range{})
		if err != nil {
			return "", err
		}
		found += len(page.Messages)
	}
	if found != len(d.messages) {
		return "", fmt.Errorf("%d messages are there, %d were written", found, len(d.messages))
	}
	return fmt.Sprintf("all %d messages in %s", found, plural(len(conversations), "conversation")), nil
}

// oneMessage: what a single new message costs.
func (d *demonstration) oneMessage(ctx context.Context) error {
	generator := chat.NewGenerator(d.account, chat.ByRegular, nil)
	newest := d.messages[len(d.messages)-1].Timestamp + int64(time.Hour/time.Millisecond)
	line := chat.Line{Timestamp: newest, From: chat.Regulars()[0], To: "you", Text: "and this one came alone"}
	one := generator.Message(line)
	d.messages = append(d.messages, one)
	on := d.opened[0]
	return d.step("write one more message", on, func() (string, error) {
		if _, err := on.Append(ctx, bytes.NewReader(one.JSON), history.AppendOptions{}); err != nil {
			return "", err
		}
		report, err := on.Sync(ctx, engine.Work{Flush: true}, nil)
		return fmt.Sprintf("%d uploaded, %s", report.Pushed, byteSize(int64(len(one.JSON)))), err
	})
}

// idle: what a look costs when nothing happened since the last one.
func (d *demonstration) idle(ctx context.Context) error {
	on := d.opened[1]
	if _, err := on.Sync(ctx, engine.Work{Settle: true}, nil); err != nil {
		return err
	}
	return d.step("look when there is nothing new", on, func() (string, error) {
		report, err := on.Sync(ctx, engine.Work{}, nil)
		return fmt.Sprintf("%d fetched", report.Pulled), err
	})
}
