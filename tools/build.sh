#!/bin/sh
# `npm run build`: the command as the package has it, in dist/, with the licences of what it takes from others.
set -eu
cd "$(dirname "$0")/.."

rm -rf dist
mkdir dist
node tools/bundle.ts dist
