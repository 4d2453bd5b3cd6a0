package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrByHand says that a configuration file is not of the form that can be rewritten:
// tables of their own for [account.provider] and each [[account.mirror]].
var ErrByHand = errors.New("the file has to be changed by hand")

// table is one table of a file: its header's line and the lines up to the next header.
type table struct {
	name     string // as in the header, without spaces and brackets
	from, to int    // lines, to is the next table's
}

const (
	tableAccount  = "account"
	tableProvider = "account.provider"
	tableMirror   = "account.mirror"
)

var headerLine = regexp.MustCompile(`^\s*(\[\[?)\s*([A-Za-z0-9_.\- ]+?)\s*\]\]?\s*(#.*)?$`)

// tables finds the tables of a file, textually. Multi-line strings are passed over.
func tables(lines []string) (all []table) {
	quote := ""
	for i, line := range lines {
		if quote != "" {
			if strings.Contains(line, quote) {
				quote = ""
			}
			continue
		}
		for _, mark := range []string{`"""`, `'''`} {
			if strings.Count(line, mark)%2 == 1 {
				quote = mark
			}
		}
		match := headerLine.FindStringSubmatch(line)
		if quote != "" || match == nil {
			continue
		}
		if len(all) > 0 {
			all[len(all)-1].to = i
		}
		all = append(all, table{name: strings.ReplaceAll(match[2], " ", ""), from: i, to: len(lines)})
	}
	return all
}

// section are the tables of the account with a number, from 0, as the file has them.
func section(lines []string, account int) (own []table, err error) {
	number := -1
	for _, t := range tables(lines) {
		if t.name == tableAccount {
			number++
		}
		if number == account && (t.name == tableAccount || strings.HasPrefix(t.name, tableAccount+".")) {
			own = append(own, t)
		}
	}
	if len(own) == 0 {
		return nil, fmt.Errorf("%w: it has no [[account]] number %d", ErrByHand, account+1)
	}
	return own, nil
}

// find is the mirror's table with a name, or the provider's with none.
func find(lines []string, own []table, mirror string) (table, error) {
	for _, t := range own {
		if mirror == "" && t.name == tableProvider {
			return t, nil
		}
		if mirror == "" || t.name != tableMirror {
			continue
		}
		for _, line := range lines[t.from+1 : t.to] {
			key, value := keyValue(line)
			if key == "name" && strings.Trim(value, `"'`) == mirror {
				return t, nil
			}
		}
	}
	if mirror == "" {
		return table{}, fmt.Errorf("%w: there is no table [%s]", ErrByHand, tableProvider)
	}
	return table{}, fmt.Errorf("%w: there is no table [[%s]] with name = %q", ErrByHand, tableMirror, mirror)
}

// keyValue takes a line of the form key = value apart; a comment behind it goes.
func keyValue(line string) (key, value string) {
	key, value, ok := strings.Cut(line, "=")
	if !ok || strings.HasPrefix(strings.TrimSpace(line), "#") {
		return "", ""
	}
	value, _, _ = strings.Cut(value, "#")
	return strings.TrimSpace(key), strings.TrimSpace(value)
}

// end is the line after the last one of a table that is not blank, nor a comment that
// belongs to what follows.
func end(lines []string, t table) int {
	at := t.to
	for at > t.from+1 {
		line := strings.TrimSpace(lines[at-1])
		if line != "" && !strings.HasPrefix(line, "#") {
			break
		}
		at--
	}
	return at
}

// placeIn finds an account's mirror of a name, or with none its own place, in the file's
// lines.
func placeIn(text []byte, account int, mirror string) (lines []string, found table, err error) {
	lines = strings.Split(string(text), "\n")
	own, err := section(lines, account)
	if err == nil {
		found, err = find(lines, own, mirror)
	}
	if err != nil {
		return nil, table{}, fmt.Errorf("config: %w", err)
	}
	return lines, found, nil
}

// AddMirror puts the settings of a mirror, lines as Settings writes them, as its
// last table into the account with a number, counted from 0 in the file's order.
func AddMirror(text []byte, account int, settings string) ([]byte, error) {
	lines := strings.Split(string(text), "\n")
	own, err := section(lines, account)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	at := end(lines, own[len(own)-1])
	added := append([]string{"", "[[" + tableMirror + "]]"}, strings.Split(strings.TrimRight(settings, "\n"), "\n")...)
	return join(lines[:at], added, lines[at:]), nil
}

// SwapMirror makes a mirror the account's own place, and that a mirror with the name
// old, shared with devices that don't know yet. Everything else stays as it is, comments
// too.
func SwapMirror(text []byte, account int, mirror, old string) ([]byte, error) {
	lines, provider, err := placeIn(text, account, "")
	if err != nil {
		return nil, err
	}
	_, target, err := placeIn(text, account, mirror)
	if err != nil {
		return nil, err
	}
	var out []string
	for i, line := range lines {
		switch {
		case i == provider.from:
			out = append(out, header(line, "[["+tableMirror+"]]"), fmt.Sprintf("name = %q", old), "shared = true")
		case i == target.from:
			out = append(out, header(line, "["+tableProvider+"]"))
		case i > target.from && i < target.to && ofMirror(line):
		default:
			out = append(out, line)
		}
	}
	return []byte(strings.Join(out, "\n")), nil
}

// header is a header's line with another header in the place of its own.
func header(line, becomes string) string {
	start := strings.Index(line, "[")
	stop := strings.LastIndex(strings.SplitN(line, "#", 2)[0], "]")
	return line[:start] + becomes + line[stop+1:]
}

// ofMirror tells whether a line is a setting that only mirrors have.
func ofMirror(line string) bool {
	key, _ := keyValue(line)
	return key == "name" || key == "interval" || key == "shared"
}

// RemoveMirror takes a mirror's table out, with the comments in it.
func RemoveMirror(text []byte, account int, mirror string) ([]byte, error) {
	lines, t, err := placeIn(text, account, mirror)
	if err != nil {
		return nil, err
	}
	from := t.from
	for from > 0 && strings.TrimSpace(lines[from-1]) == "" {
		from--
	}
	return join(lines[:from], lines[end(lines, t):]), nil
}

// ShareMirror makes an ordinary mirror a shared one.
func ShareMirror(text []byte, account int, mirror string) ([]byte, error) {
	lines, t, err := placeIn(text, account, mirror)
	if err != nil {
		return nil, err
	}
	return join(lines[:t.from+1], []string{"shared = true"}, lines[t.from+1:]), nil
}

// KeepMirror makes a shared mirror an ordinary one.
func KeepMirror(text []byte, account int, mirror string) ([]byte, error) {
	lines, t, err := placeIn(text, account, mirror)
	if err != nil {
		return nil, err
	}
	var out []string
	for i, line := range lines {
		if key, _ := keyValue(line); key != "shared" || i <= t.from || i >= t.to {
			out = append(out, line)
		}
	}
	return []byte(strings.Join(out, "\n")), nil
}

func join(parts ...[]string) []byte {
	var all []string
	for _, part := range parts {
		all = append(all, part...)
	}
	return []byte(strings.Join(all, "\n"))
}
