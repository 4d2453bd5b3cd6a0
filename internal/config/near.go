package config

import (
	"reflect"
	"strings"
)

// nearSetting is the setting of a table that looks most like a key that it has not, with the same path before it; "" where
// none does.
func nearSetting(key []string) string {
	if len(key) == 0 {
		return ""
	}
	table, last := reflect.TypeFor[Config](), len(key)-1
	for _, name := range key[:last] {
		field, ok := settingOf(table, name)
		if !ok {
			return ""
		}
		table = field
	}
	near, least := "", 3
	for _, field := range reflect.VisibleFields(table) {
		name, _, _ := strings.Cut(field.Tag.Get("toml"), ",")
		if name == "" || name == "-" {
			continue
		}
		if d := distance(name, strings.ToLower(key[last])); d < least && d < len(name) {
			near, least = name, d
		}
	}
	if near == "" {
		return ""
	}
	return strings.Join(append(append([]string{}, key[:last]...), near), ".")
}

// settingOf is the table below a table, through pointers and lists.
func settingOf(table reflect.Type, name string) (reflect.Type, bool) {
	for _, field := range reflect.VisibleFields(table) {
		tag, _, _ := strings.Cut(field.Tag.Get("toml"), ",")
		if tag != name {
			continue
		}
		below := field.Type
		for below.Kind() == reflect.Pointer || below.Kind() == reflect.Slice {
			below = below.Elem()
		}
		return below, below.Kind() == reflect.Struct
	}
	return nil, false
}

// distance is how many letters have to be put in, taken out or changed to make one word of another; two that changed
// places count once.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range b {
		rows[0][j+1] = j + 1
	}
	for i := range a {
		for j := range b {
			change := 1
			if a[i] == b[j] {
				change = 0
			}
			d := min(rows[i][j]+change, rows[i][j+1]+1, rows[i+1][j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				d = min(d, rows[i-1][j-1]+1)
			}
			rows[i+1][j+1] = d
		}
	}
	return rows[len(a)][len(b)]
}
