#!/bin/sh
# The container image, as docs/installation.md says: builds it, starts it, makes the first administrator by its link, and runs a working
# tree on it with an executor beside it that has Docker. `sh test/container/check.sh [BASE_DIRECTORY]`: takes some minutes, needs
# Docker, root, and the registries of Debian and npm.
#
# The base image is made here, like node:24-slim: Debian by debootstrap (kept in BASE_DIRECTORY when that is given), Node.js and npm of this
# machine's packages. What this machine says about certificates and apt goes for it, too.
set -eu
cd "$(dirname "$0")/../.."
root=$PWD
work=$(mktemp -d)
name=slipway-check-$$
executor=

clean_up() {
  [ -z "$executor" ] || kill "$executor" || true
  docker rm --force "$name" >"$work/removed" 2>&1 || true
  docker volume rm --force "$name" >"$work/removed" 2>&1 || true
  docker image rm --force "$name" "$name-base" "$name-task" >"$work/removed" 2>&1 || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

step() { echo "== $*"; }

step base image
base=${1:-$work/base}
[ -x "$base/usr/bin/apt-get" ] || debootstrap --variant=minbase bookworm "$base" >"$work/debootstrap" || { tail "$work/debootstrap"; exit 1; }
cp -a /etc/apt/apt.conf.d/. "$base/etc/apt/apt.conf.d/"
rm -f "$base"/etc/apt/apt.conf.d/*proxy-detect*
mkdir -p "$base/etc/ssl/certs" "$base/usr/local/lib/node_modules"
[ ! -f "${NODE_EXTRA_CA_CERTS:-}" ] || cp "$NODE_EXTRA_CA_CERTS" "$base/etc/ssl/certs/of-this-machine.pem"
cp "$root"/node_modules/node-linux-*/bin/node "$base/usr/local/bin/node"
rm -rf "$base/usr/local/lib/node_modules/npm"
cp -a "$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")" "$base/usr/local/lib/node_modules/npm"
ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$base/usr/local/bin/npm"
ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$base/usr/local/bin/npx"
tar -C "$base" --exclude=./proc/* --exclude=./sys/* -c . |
  docker import --change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/of-this-machine.pem' - "$name-base" >"$work/imported"

step build
mkdir "$work/clone"
git archive HEAD | tar -C "$work/clone" -x
# The page's command, with the base image and the network of this machine.
(cd "$work/clone" && docker build --network host --build-arg "BASE=$name-base" --file Containerfile --tag "$name" .) >"$work/build" 2>&1 ||
  { tail -40 "$work/build"; exit 1; }
docker image ls "$name"

step start
url=http://127.0.0.1:$((20000 + $$ % 10000))
docker run --detach --name "$name" --publish "${url#http://}:8080" --volume "$name:/data" --env "SLIPWAY_URL=$url" "$name" >"$work/started"
tries=0
until curl -fs "$url/readyz" >"$work/ready" && docker exec "$name" cat /data/first-administrator >"$work/link"; do
  tries=$((tries + 1))
  [ $tries -lt 300 ] || { docker logs "$name"; exit 1; }
  sleep 0.2
done

step first administrator
chmod 600 "$work/link"
export HOME="$work" XDG_CONFIG_HOME="$work/config" XDG_CACHE_HOME="$work/cache"
export PATH="$root/bin:$PATH"
echo 'a long pass phrase' | slipway login "$url" --username ann --password-stdin --setup "$work/link"

step executor with Docker, beside it
mkdir "$work/task"
cp /bin/busybox "$work/task/sh"
ln "$work/task/sh" "$work/task/busybox"
mkdir "$work/task/bin" && mv "$work/task/sh" "$work/task/busybox" "$work/task/bin/"
tar -C "$work/task" -c . | docker import - "$name-task" >"$work/imported"
(umask 077 && slipway executors token create box >"$work/token")
slipway executor --url "$url" --token-file "$work/token" --data "$work/executor" --driver docker >"$work/executor.log" 2>&1 &
executor=$!

step direct run
mkdir -p "$work/hello/.slipway"
cd "$work/hello"
git init --quiet --initial-branch=main
echo 'hello from the image' >hello.txt
cat >.slipway/config.yml <<EOF
runs:
  - name: ci
    tasks:
      - name: greet
        runtime: { containers: [{ image: $name-task }] }
        steps:
          - clone:
          - run: busybox cat hello.txt
EOF
slipway directrun start --output plain >"$work/run.log" 2>&1 || { cat "$work/run.log" "$work/executor.log"; exit 1; }
grep 'hello from the image' "$work/run.log"

step what is in the volume stays
docker restart --time 30 "$name" >"$work/restarted"
tries=0
until curl -fs "$url/readyz" >"$work/ready"; do
  tries=$((tries + 1))
  [ $tries -lt 300 ] || { docker logs "$name"; exit 1; }
  sleep 0.2
done
docker exec "$name" sh -c 'test "$(id -u)" = 1000 && ! test -e /data/first-administrator && ls -ld /data/keys'
step everything holds
