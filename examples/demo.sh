#!/bin/sh
# `npm run demo`: runs examples/hello as a repository of its own, end to end, on this machine and without Docker.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp -R "$root/examples/hello" "$work/hello"
cd "$work/hello"
git init --quiet --initial-branch=main
git add --all
git -c user.name=Demo -c user.email=demo@example.org commit --quiet --message 'Say hello'

echo '$ slipway plan'
"$root/bin/slipway" plan
echo
echo '$ slipway run --driver host'
XDG_STATE_HOME="$work/state" "$root/bin/slipway" run --driver host
