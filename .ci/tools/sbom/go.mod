// sbom, which lists what a program was built from; built by .ci/run.
module github.com/dm3sync/dm3sync/ci/sbom

go 1.26.0

tool github.com/dm3sync/dm3sync/ci/sbom

require github.com/CycloneDX/cyclonedx-go v0.12.0
