// Command sbom writes what a Go program was built from as a CycloneDX document: sbom PROGRAM DOCUMENT.
//
// It takes what the toolchain recorded in the program itself, and nothing that changes between two builds of the same
// source: no time, no random serial number.
package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"strings"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "sbom PROGRAM DOCUMENT")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func write(program, document string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return fmt.Errorf("reading %s: %w", program, err)
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Component: component(cyclonedx.ComponentTypeApplication, info.Main.Path, info.Main.Version, "")}
	components := []cyclonedx.Component{*component(cyclonedx.ComponentTypeLibrary, "std", strings.TrimPrefix(info.GoVersion, "go"), "")}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		components = append(components, *component(cyclonedx.ComponentTypeLibrary, module.Path, module.Version, module.Sum))
	}
	bom.Components = &components
	file, err := os.Create(document)
	if err != nil {
		return err
	}
	encoder := cyclonedx.NewBOMEncoder(file, cyclonedx.BOMFileFormatJSON)
	encoder.SetPretty(true)
	if err := encoder.Encode(bom); err != nil {
		file.Close()
		return fmt.Errorf("writing %s: %w", document, err)
	}
	return file.Close()
}

// component is a module as CycloneDX names it. The sum is go.sum's, as a property: it is not a hash of a file.
func component(kind cyclonedx.ComponentType, path, version, sum string) *cyclonedx.Component {
	name := "pkg:golang/" + path + "@" + version
	c := &cyclonedx.Component{BOMRef: name, Type: kind, Name: path, Version: version, PackageURL: name}
	if sum != "" {
		c.Properties = &[]cyclonedx.Property{{Name: "go:sum", Value: sum}}
	}
	return c
}
