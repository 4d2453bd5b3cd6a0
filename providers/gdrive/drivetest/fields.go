package drivetest

import (
	"fmt"
	"strings"
)

// mask is a set of fields, each with the mask for what lies below it, nil for all of it.
type mask map[string]mask

// shape says which fields an answer of some kind can have here; nil for plain values.
type shape map[string]shape

var (
	fileShape = shape{
		"kind": nil, "id": nil, "name": nil, "mimeType": nil, "parents": nil, "trashed": nil, "size": nil, "md5Checksum": nil,
		"appProperties": nil, "createdTime": nil, "driveId": nil, "ownedByMe": nil, "spaces": nil,
	}
	listShape   = shape{"kind": nil, "nextPageToken": nil, "incompleteSearch": nil, "files": fileShape}
	changeShape = shape{"kind": nil, "removed": nil, "fileId": nil, "changeType": nil, "time": nil, "file": fileShape}
	feedShape   = shape{"kind": nil, "nextPageToken": nil, "newStartPageToken": nil, "changes": changeShape}
	aboutShape  = shape{"kind": nil, "storageQuota": shape{"limit": nil, "usage": nil, "usageInDrive": nil, "usageInDriveTrash": nil}}
	idsShape    = shape{"kind": nil, "space": nil, "ids": nil}
	cursorShape = shape{"kind": nil, "startPageToken": nil}
)

// Drive's small defaults where no mask is given.
const (
	fileDefault = "kind,id,name,mimeType"
	listDefault = "kind,nextPageToken,incompleteSearch,files(" + fileDefault + ")"
	feedDefault = "kind,nextPageToken,newStartPageToken,changes(kind,removed,fileId,changeType,time,file(" + fileDefault + "))"
)

// masked leaves of a whole answer what the request's mask asks for.
func masked(r *request, whole map[string]any, standard string, known shape) *reply {
	text := r.Query.Get("fields")
	if r.Query.Has("fields") && text == "" {
		return invalid("Invalid field selection ")
	}
	if text == "" {
		text = standard
	}
	if text == "" {
		text = "*"
	}
	wanted, rest, err := parseMask(text)
	if err == nil && rest != "" {
		err = fmt.Errorf("%q is too much", rest)
	}
	if err == nil {
		err = fits(wanted, known)
	}
	if err != nil {
		return refusal(400, "invalidParameter", "Invalid field selection: "+err.Error())
	}
	return &reply{status: 200, value: apply(whole, wanted)}
}

// parseMask reads "a,b(c,d),e/f" up to its end or a closing bracket, which is left in rest.
func parseMask(text string) (found mask, rest string, err error) {
	found = make(mask)
	for {
		end := strings.IndexAny(text, ",()/")
		if end < 0 {
			end = len(text)
		}
		name := text[:end]
		if name == "" {
			return nil, text, fmt.Errorf("a name is missing before %q", text)
		}
		text = text[end:]
		var below mask
		switch {
		case strings.HasPrefix(text, "/"):
			next := strings.IndexAny(text[1:], ",()")
			if next < 0 {
				next = len(text) - 1
			}
			if below, _, err = parseMask(text[1 : 1+next]); err != nil {
				return nil, text, err
			}
			text = text[1+next:]
		case strings.HasPrefix(text, "("):
			if below, text, err = parseMask(text[1:]); err != nil {
				return nil, text, err
			}
			if !strings.HasPrefix(text, ")") {
				return nil, text, fmt.Errorf("a bracket is missing")
			}
			text = text[1:]
		}
		if _, double := found[name]; double {
			return nil, text, fmt.Errorf("%s stands there twice", name)
		}
		found[name] = below
		if !strings.HasPrefix(text, ",") {
			return found, text, nil
		}
		text = text[1:]
	}
}

// fits refuses fields that answers of this kind don't have.
func fits(wanted mask, known shape) error {
	for name, below := range wanted {
		if name == "*" && below == nil {
			continue
		}
		inner, ok := known[name]
		if !ok || below != nil && inner == nil {
			return fmt.Errorf("there is no %s", name)
		}
		if err := fits(below, inner); err != nil {
			return err
		}
	}
	return nil
}

func apply(value any, wanted mask) any {
	if wanted == nil {
		return value
	}
	switch value := value.(type) {
	case []any:
		all := make([]any, len(value))
		for i, one := range value {
			all[i] = apply(one, wanted)
		}
		return all
	case map[string]any:
		if _, all := wanted["*"]; all {
			return value
		}
		left := make(map[string]any)
		for name, below := range wanted {
			if inner, ok := value[name]; ok {
				left[name] = apply(inner, below)
			}
		}
		return left
	}
	return value
}
