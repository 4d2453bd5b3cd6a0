package display

import (
	"path"
	"slices"
	"strings"
)

// maxName is how many bytes of a name from a message go into the name of a file.
const maxName = 48

// Harmless keeps letters, digits, points, hyphens and underscores of ASCII; a point never stands first or last.
func Harmless(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '_'
	}, name)
	if len(name) > maxName { // the ending says what a file is
		extension := path.Ext(name)
		if len(extension) > 8 {
			extension = ""
		}
		name = name[:maxName-len(extension)] + extension
	}
	return strings.Trim(name, ".")
}

// FileName is what an attachment is called beside the pages: harmless, and with an ending that nothing runs.
func FileName(name string) string {
	name = Harmless(name)
	if name == "" {
		name = "attachment"
	}
	if !slices.Contains(passive(), strings.ToLower(path.Ext(name))) {
		name += ".bin"
	}
	return name
}

// passive lists the endings of files that are opened by something that shows or plays them, without running what is inside.
func passive() []string {
	return []string{".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf", ".txt", ".md", ".csv", ".json", ".mp3", ".ogg", ".oga", ".opus", ".wav", ".flac",
		".m4a", ".mp4", ".webm", ".mov", ".zip", ".gz", ".7z", ".tar", ".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp", ".epub", ".eml", ".ics", ".vcf"}
}
