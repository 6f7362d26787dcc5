#!/bin/sh
# `npm run build`: bundles the command into dist/main.js, with what the package takes from others and their licences.
set -eu
cd "$(dirname "$0")/.."

rm -rf dist
esbuild src/main.ts --bundle --platform=node --target=node24 --format=esm --outfile=dist/main.js --log-level=warning \
  '--external:@aws-sdk/*' '--external:@grpc/*' --external:pg \
  "--banner:js=import{createRequire}from'node:module';const require=createRequire(import.meta.url);"
# The thread that reads and encodes snapshots is a file of its own (src/datamanager/snapshot/worker-row-source.ts).
esbuild src/datamanager/snapshot/snapshot-worker.ts --bundle --platform=node --target=node24 --format=esm \
  --outfile=dist/snapshot-worker.js --log-level=warning
# So is the one that carries pages from the WAL into the file (src/datamanager/read-model/checkpoints.ts).
esbuild src/datamanager/read-model/checkpoint-worker.ts --bundle --platform=node --target=node24 --format=esm \
  --outfile=dist/checkpoint-worker.js --log-level=warning

for name in commander re2js yaml; do
  printf '%s %s\n\n' "$name" "$(node -p "require('./node_modules/$name/package.json').version")"
  cat "node_modules/$name/LICENSE"
  printf '\n\n'
done >dist/THIRD-PARTY-LICENSES
