package providertest

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/dm3sync/dm3sync/providers"
)

// A container of a check is "0x", random digits, and its number in as many digits as a hash leaves.
const (
	randomDigits = 24
	numberDigits = 64 - randomDigits
	mostDigits   = 8 // of the number; the ones before are noughts
)

// IsLeftover tells whether an object's name is one that only a check writes: where a real container's name is a hash, this
// one has 32 noughts in a row. An object of that name is of a check that runs now, or was interrupted.
func IsLeftover(name string) bool {
	container, _, ok := strings.Cut(name, "/")
	digits, hexadecimal := strings.CutPrefix(container, "0x")
	if !ok || !hexadecimal || len(digits) != randomDigits+numberDigits {
		return false
	}
	_, err := hex.DecodeString(digits)
	return err == nil && strings.Trim(digits[randomDigits:len(digits)-mostDigits], "0") == ""
}

// Leftovers lists the whole store for what checks wrote and did not remove yet.
func Leftovers(ctx context.Context, store providers.Store) (names []string, err error) {
	for object, err := range store.List(ctx, "") {
		if err != nil {
			return nil, fmt.Errorf("providertest: looking for what earlier checks left: %w", err)
		}
		if IsLeftover(object.Name) {
			names = append(names, object.Name)
		}
	}
	return names, nil
}

// Sweep removes those leftovers that are there still. Called with what [Leftovers] found before a check, after it, it spares
// another device's check that ran beside that one and has ended meanwhile, as checks of one place take about as long.
func Sweep(ctx context.Context, store providers.Store, before []string) (removed int, err error) {
	if len(before) == 0 {
		return 0, nil
	}
	now, err := Leftovers(ctx, store)
	if err != nil {
		return 0, err
	}
	still := slices.DeleteFunc(now, func(name string) bool { return !slices.Contains(before, name) })
	if err := store.Delete(ctx, still...); err != nil {
		return 0, fmt.Errorf("providertest: removing what earlier checks left: %w", err)
	}
	return len(still), nil
}
