package main

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dm3sync/dm3sync/internal/api"
	"github.com/dm3sync/dm3sync/internal/archive"
	"github.com/dm3sync/dm3sync/internal/attachments"
	"github.com/dm3sync/dm3sync/internal/setup"
	"github.com/dm3sync/dm3sync/sync/engine"
)

// TestJSONNames: whoever reads what is printed, or what the agent answers, meets
// one spelling of names, and no moment that never was.
func TestJSONNames(t *testing.T) {
	for _, document := range []any{
		statusDocument{}, api.Status{}, api.Error{}, fileSummary{}, syncResult{}, initDocument{}, versionDocument{},
		demoDocument{}, setup.CheckResult{}, pullNodeDocument{}, engine.Verification{}, engine.Conversation{},
		exportResult{}, importResult{}, appendResult{}, archive.Findings{}, engine.Inventory{}, readableResult{}, attachments.Report{},
	} {
		for _, fault := range jsonFaults(reflect.TypeOf(document)) {
			t.Error(fault)
		}
	}
}

func TestJSONFaults(t *testing.T) {
	type bad struct {
		Plain string
		Camel int       `json:"camelCase,omitempty"`
		Never time.Time `json:"never"`
	}
	type good struct {
		hidden int    //nolint:unused // is not printed
		Left   int    `json:"-"`
		Snake  int    `json:"snake_case"`
		Bads   []*bad `json:"bads"`
	}
	if got := jsonFaults(reflect.TypeFor[map[string]good]()); len(got) != 3 {
		t.Errorf("%q, want three faults", got)
	}
}

var snakeCase = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// jsonFaults names the fields in a type, at any depth, that encoding/json would
// spell otherwise than with snake_case, and times that print when they are zero.
func jsonFaults(typ reflect.Type) (faults []string) {
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return nil
	case typ.Kind() == reflect.Pointer, typ.Kind() == reflect.Slice, typ.Kind() == reflect.Map:
		return jsonFaults(typ.Elem())
	case typ.Kind() != reflect.Struct:
		return nil
	}
	for field := range typ.Fields() {
		tag, tagged := field.Tag.Lookup("json")
		name, rest, _ := strings.Cut(tag, ",")
		switch {
		case tag == "-", !field.IsExported():
			continue
		case !field.Anonymous && !snakeCase.MatchString(name), field.Anonymous && tagged:
			faults = append(faults, typ.String()+"."+field.Name+" is spelled "+tag)
		case field.Type == reflect.TypeFor[time.Time]() && !strings.Contains(rest, "omitzero"):
			faults = append(faults, typ.String()+"."+field.Name+" prints the zero time")
		}
		faults = append(faults, jsonFaults(field.Type)...)
	}
	return faults
}
