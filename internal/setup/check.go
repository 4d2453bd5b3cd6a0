package setup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/dm3sync/dm3sync/providers"
	"github.com/dm3sync/dm3sync/providers/providertest"
)

// Promise is one thing that a place says of itself, in words.
type Promise struct {
	Name string `json:"name"`
	Says string `json:"says"`
}

// Promises are a place's properties, in words.
func Promises(p providers.Properties) []Promise {
	says := func(kept bool, yes, no string) string {
		if kept {
			return yes
		}
		return no
	}
	deletion := says(p.Deletes, "deleted objects are gone", "deleted objects may stay")
	if p.Lingers {
		deletion = "deleted objects are listed no more; copies that other nodes fetched stay with them"
	}
	return []Promise{
		{"acknowledged uploads", says(p.Durable, "whole and durable", "not promised; each is read back")},
		{"listings", says(p.CurrentListings, "current", "may lag behind; several looks decide")},
		{"deletion", deletion},
		{"carried by another program", says(p.Carried, "yes: other devices see files late and in any order", "no")},
		{"largest object", humanize.IBytes(uint64(p.MaxObject))},
		{"requests at once", fmt.Sprint(p.Parallel)},
	}
}

// Reach asks for an object that is not there: a place that cannot be reached, that
// refuses, or that is missing itself, would only fail every question of the check.
func Reach(ctx context.Context, store providers.Store) error {
	_, err := store.Get(ctx, "dm3sync-check/"+rand.Text())
	if err == nil || errors.Is(err, providers.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("reaching the place: %w", err)
}

// CheckResult is one question to a place and its answer.
type CheckResult struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// Check asks a place for what dm3sync needs, under a random prefix that is removed again, and
// removes what interrupted checks left, which it counts; what it could not remove it tells warn.
// Each answer is told at once. The error says that the place refused (there is no room, or this
// login may only read), or that it could not be asked; a broken promise is no more than an answer.
func Check(ctx context.Context, store providers.Store, tell func(CheckResult), warn func(sentence string)) (swept int, err error) {
	left, leftErr := providertest.Leftovers(ctx, store)
	var refused error
	bad := false
	err = providertest.Check(ctx, store, func(r providertest.Result) {
		result := CheckResult{Name: r.Check, OK: r.Err == nil}
		if r.Err != nil {
			bad = true
			result.Detail = r.Err.Error()
		}
		if refused == nil && (errors.Is(r.Err, providers.ErrQuota) || errors.Is(r.Err, providers.ErrUnauthorised)) {
			refused = fmt.Errorf("checking the place: %s: %w", r.Check, r.Err)
		}
		tell(result)
	})
	if leftErr == nil { // else the questions have told what is wrong
		if swept, leftErr = providertest.Sweep(ctx, store, left); leftErr != nil {
			warn(leftErr.Error())
		}
	}
	switch {
	case refused != nil:
		return swept, refused
	case err != nil && !bad:
		return swept, fmt.Errorf("checking the place: %w", err)
	}
	return swept, nil
}
