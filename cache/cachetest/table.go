package cachetest

import (
	"slices"
	"strings"
)

// table is a map that is sorted by its keys, so that nothing hangs on chance.
type table[V any] []row[V]

type row[V any] struct {
	key   string
	value V
}

func (t table[V]) search(key string) (int, bool) {
	return slices.BinarySearchFunc(t, key, func(r row[V], key string) int { return strings.Compare(r.key, key) })
}

func (t table[V]) get(key string) (value V, ok bool) {
	at, ok := t.search(key)
	if ok {
		value = t[at].value
	}
	return value, ok
}

func (t *table[V]) put(key string, value V) {
	at, ok := t.search(key)
	if ok {
		(*t)[at].value = value
		return
	}
	*t = slices.Insert(*t, at, row[V]{key, value})
}

func (t *table[V]) cut(key string) {
	if at, ok := t.search(key); ok {
		*t = slices.Delete(*t, at, at+1)
	}
}
