#!/bin/sh
# Checks the helper where there is Go: format, vet, tests, and that the binaries in the repository come from these sources.
# Bytes can be compared only with the toolchain that made them; with another one it is only built.
set -eu
cd "$(dirname "$0")"
if ! command -v go >/dev/null; then
  echo "helper: no Go here, nothing checked"
  exit 0
fi
export GOTOOLCHAIN=local
unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
  echo "helper: gofmt would change: $unformatted" >&2
  exit 1
fi
go vet ./...
go test ./...
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
sh build.sh "$built"
if [ "$(cat "$built/TOOLCHAIN")" != "$(cat dist/TOOLCHAIN)" ]; then
  echo "helper: built with $(cat "$built/TOOLCHAIN"); the repository has $(cat dist/TOOLCHAIN), so bytes are not compared"
  exit 0
fi
(cd dist && sha256sum --check --quiet SHA256SUMS)
if ! cmp -s "$built/SHA256SUMS" dist/SHA256SUMS; then
  echo "helper: the binaries in helper/dist are not those of the sources: run npm run build:helper" >&2
  exit 1
fi
echo "helper: binaries are those of the sources"
