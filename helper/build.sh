#!/bin/sh
# Builds the helper for every architecture into helper/dist. The same sources and toolchain make the same bytes anywhere.
set -eu
cd "$(dirname "$0")"
out=${1:-dist}
mkdir -p "$out"
export CGO_ENABLED=0 GOOS=linux GOFLAGS= GOWORK=off GOEXPERIMENT= GOTOOLCHAIN=local
# The lowest level of each architecture, whatever the environment says.
export GOAMD64=v1 GOARM64=v8.0 GOARM=6 GO386=sse2
for arch in amd64 arm64 arm 386; do
  GOARCH=$arch go build -trimpath -buildvcs=false -ldflags '-s -w -buildid=' -o "$out/slipway-pod-linux-$arch" .
done
go env GOVERSION >"$out/TOOLCHAIN"
# Only these two are kept in the repository.
(cd "$out" && sha256sum slipway-pod-linux-amd64 slipway-pod-linux-arm64 >SHA256SUMS)
