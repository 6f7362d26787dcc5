#!/bin/sh
# `npm run build`: the command and the web UI as the package has them, in dist/ and web/dist/, with the licences of what they take
# from others.
set -eu
cd "$(dirname "$0")/.."

rm -rf dist
mkdir dist
node tools/bundle.ts dist
vite build web --logLevel warn
