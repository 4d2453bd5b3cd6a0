package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/dm3sync/dm3sync/internal/chat"
	"github.com/dm3sync/dm3sync/internal/container"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// week is the length of the range that the third device reads, in ms.
const week = int64(7 * 24 * time.Hour / time.Millisecond)

// readWeek: a third device with an empty cache reads one week in the middle of
// the busiest conversation, and gets what the first device has.
func (d *demonstration) readWeek(ctx context.Context) error {
	tablet, err := d.device(ctx, "tablet")
	if err != nil {
		return err
	}
	err = d.step("join with an empty cache", tablet, func() (string, error) {
		if _, err := tablet.Sync(ctx, engine.Work{}, nil); err != nil {
			return "", err
		}
		list, err := tablet.Conversations(ctx)
		return "knows " + plural(len(list), "conversation"), err
	})
	if err != nil {
		return err
	}
	contact, r := d.middle()
	return d.step("read a week in the middle", tablet, func() (string, error) {
		page, err := tablet.Messages(ctx, contact, r)
		if err != nil {
			return "", err
		}
		if page.Provisional {
			return "", fmt.Errorf("the page is provisional: %q", page.Reasons)
		}
		phone, err := d.opened[0].Messages(ctx, contact, r)
		if err != nil {
			return "", err
		}
		same := slices.EqualFunc(page.Messages, phone.Messages, func(a, b container.Envelope) bool { return bytes.Equal(a.JSON, b.JSON) })
		if !same || len(page.Messages) != d.count(contact, r) {
			return "", fmt.Errorf("the tablet reads %d messages, the phone %d, written were %d", len(page.Messages), len(phone.Messages), d.count(contact, r))
		}
		return fmt.Sprintf("%s, the same as on the phone", plural(len(page.Messages), "message")), nil
	})
}

// middle is the busiest conversation and the week around its middle message.
func (d *demonstration) middle() (string, engine.Range) {
	timestamps, busiest := map[string][]int64{}, ""
	for _, m := range d.messages {
		timestamps[m.Contact] = append(timestamps[m.Contact], m.Timestamp)
		if len(timestamps[m.Contact]) > len(timestamps[busiest]) {
			busiest = m.Contact
		}
	}
	middle := timestamps[busiest][len(timestamps[busiest])/2]
	return busiest, engine.Range{From: middle - week/2, To: middle + week/2}
}

func (d *demonstration) count(contact string, r engine.Range) int {
	inside := func(m chat.Message) bool { return m.Contact == contact && m.Timestamp >= r.From && m.Timestamp < r.To }
	return len(slices.DeleteFunc(slices.Clone(d.messages), func(m chat.Message) bool { return !inside(m) }))
}

// verify: the third device reads and opens everything.
func (d *demonstration) verify(ctx context.Context) error {
	on := d.opened[2]
	return d.step("verify everything", on, func() (string, error) {
		v, err := on.Verify(ctx, engine.VerifyOptions{Deep: true}, nil)
		if err != nil {
			return "", err
		}
		if v.Messages != len(d.messages) || len(v.Problems) > 0 {
			return "", fmt.Errorf("%d of %d messages are at the place, with %s", v.Messages, len(d.messages), plural(len(v.Problems), "problem"))
		}
		return fmt.Sprintf("%d messages, no problems", v.Messages), nil
	})
}

func byteSize(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }
