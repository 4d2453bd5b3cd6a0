package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// versionDocument says which program this is and which formats it knows.
type versionDocument struct {
	Version  string   `json:"version"`
	Revision string   `json:"revision,omitempty"`
	Modified bool     `json:"modified,omitempty"`
	Go       string   `json:"go"`
	Platform string   `json:"platform"`
	Seals    []string `json:"seals"`
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which version this is",
		Args:  nothing,
		RunE: func(*cobra.Command, []string) error {
			document := buildVersion()
			return p.print(document, func(w *strings.Builder) {
				fmt.Fprintf(w, "dm3sync %s %s %s %s\n", document.Version, document.Revision, document.Go, document.Platform)
			})
		},
	}
}

// buildVersion reads what the toolchain recorded.
func buildVersion() versionDocument {
	document := versionDocument{Version: "(unknown)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Seals: []string{"compact 1", "dm3"}}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return document
	}
	document.Version = info.Main.Version
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			document.Revision = setting.Value
		case "vcs.modified":
			document.Modified = setting.Value == "true"
		}
	}
	return document
}
