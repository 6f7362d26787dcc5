#!/bin/sh
# `npm run demo`: runs examples/hello as a repository of its own, end to end, on this machine and without Docker.
# `npm run demo -- --keep`: the same on a server of its own with its web UI, which goes on until Ctrl-C.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
slipway="$root/bin/slipway"
work=$(mktemp -d)
children=''
end() {
  for child in $children; do kill "$child" 2>/dev/null || true; done
  for child in $children; do wait "$child" 2>/dev/null || true; done
  rm -rf "$work"
}
trap end EXIT
trap 'exit 0' INT TERM

cp -R "$root/examples/hello" "$work/hello"
cd "$work/hello"
commit() { git -c user.name=Demo -c user.email=demo@example.org commit --quiet --all --message "$1"; }
git init --quiet --initial-branch=main
git add --all
commit 'Say hello'

if [ "${1:-}" != --keep ]; then
  echo '$ slipway plan'
  "$slipway" plan
  echo
  echo '$ slipway run --driver host'
  XDG_STATE_HOME="$work/state" "$slipway" run --driver host
  exit
fi

[ -f "$root/web/dist/index.html" ] || (cd "$root" && npm run --silent build:web >&2)
free_port() { node -p 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() }); ""' | head -n 1; }
port=$(free_port)
git_port=$(free_port)
url="http://127.0.0.1:$port"
user=demo
password=$(node -p 'require("crypto").randomBytes(9).toString("base64url")')

git daemon --export-all --reuseaddr --listen=127.0.0.1 --port="$git_port" --base-path="$work" "$work" 2>/dev/null &
children="$children $!"
export XDG_CONFIG_HOME="$work/config" XDG_STATE_HOME="$work/state"
SLIPWAY_EXECUTOR_DRIVER=host "$slipway" serve --listen "127.0.0.1:$port" --data "$work/data" 2>"$work/server.log" &
server=$!
children="$children $server"
until [ -f "$work/data/first-administrator" ] && node -e "fetch('$url/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"; do
  kill -0 "$server" 2>/dev/null || { cat "$work/server.log" >&2; exit 4; }
  sleep 0.2
done
printf '%s\n' "$password" |
  "$slipway" login "$url" --username "$user" --password-stdin --setup "$work/data/first-administrator" >/dev/null
"$slipway" project create hello --git "git://127.0.0.1:$git_port/hello" --branch main --visibility private >/dev/null
"$slipway" runs create "user/$user/hello" --branch main --watch >/dev/null
sed 's/cat out\/built/cat out\/bulit/' .slipway/config.yml >"$work/broken.yml"
cp "$work/broken.yml" .slipway/config.yml
commit 'Read the file that was built'
"$slipway" runs create "user/$user/hello" --branch main --watch >/dev/null || true

cat <<TEXT
The server runs until Ctrl-C. It forgets everything then.

  address   $url
  name      $user
  password  $password

  a run that succeeded  $url/projects/user.$user.hello/runs/1
  one that is broken    $url/projects/user.$user.hello/runs/2
TEXT
wait "$server"
