#!/bin/bash
# Takes the Dockerfile's steps without a Docker engine, as far as they go: the build stage with the
# toolchain of this machine, the final stage in a scratch root made by debootstrap (root only).
#   docker/check.sh            all of it
#   PROFILE=no docker/check.sh with that build argument
#   docker/check.sh BINARY     with a binary that is built already, the build step is left out
#   docker/check.sh --context  only what can be seen in a second: instructions and build context
set -euo pipefail
cd "$(dirname "$0")/.."
fail() { echo "error: $*" >&2; exit 1; }
step() { printf '== %s\n' "$*"; }

step "instructions that Docker 18.09 knows"
known='^(ARG|FROM|WORKDIR|COPY|RUN|USER|ENV|STOPSIGNAL|ENTRYPOINT|CMD) '
# Instructions of several lines as one.
instructions=$(sed -e ':a;/\\$/{N;s/\\\n *//;ta}' Dockerfile | grep -vE '^#|^$')
bad=$(grep -vE "$known" <<<"$instructions" || true)
[ -z "$bad" ] || fail "Dockerfile: $bad"
! grep -nE -- '--(mount|link|chmod)|^# *syntax|<<' Dockerfile || fail "that takes BuildKit"
grep -q '^ENTRYPOINT \["/usr/local/bin/tallyho"\]$' Dockerfile || fail "no entry point in exec form"
grep -q '^STOPSIGNAL SIGTERM$' Dockerfile || fail "no STOPSIGNAL"
for base in $(sed -nE 's/^ARG [A-Z]+_IMAGE=//p' Dockerfile); do
  [[ $base =~ :[0-9]+\.[0-9] ]] || fail "$base is not pinned"
done

step "the build context: what is committed, without .dockerignore's"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/context"
git archive HEAD | tar -x -C "$scratch/context"
cp Dockerfile .dockerignore "$scratch/context"
while read -r pattern; do
  case $pattern in '#'* | '' | '**/'*) ;; *) (cd "$scratch/context" && rm -rf -- $pattern) ;; esac
done < .dockerignore
(cd "$scratch/context" && cargo metadata --locked --format-version 1 --no-deps >/dev/null)

# What the build stage runs must be in the context, and be a script.
(cd "$scratch/context" && bash -n dist.sh && [ -x dist.sh ]) || fail "dist.sh"
[ "${1:-}" != --context ] || exit 0
binary=${1:-}
if [ -z "$binary" ]; then
  build=$(sed -n 's/^RUN \(if .*\)/\1/p' <<<"$instructions")
  profile=${PROFILE:-$(sed -n 's/^ARG PROFILE=//p' <<<"$instructions")}
  step "ARG PROFILE=$profile, RUN $build"
  target=${CARGO_TARGET_DIR:+$(realpath -m "$CARGO_TARGET_DIR")}
  [ -z "$target" ] || ln -s "$target" "$scratch/context/target"
  (cd "$scratch/context" && env -u CARGO_TARGET_DIR PROFILE="$profile" /bin/sh -c "$build")
  binary=$scratch/context/tallyho
fi
cp "$binary" "$scratch/tallyho"
strip "$scratch/tallyho"

step "FROM debian:12-slim: a minimal root"
root=$scratch/root
debootstrap --variant=minbase bookworm "$root" >"$scratch/debootstrap.log" 2>&1 ||
  { tail -5 "$scratch/debootstrap.log"; fail "debootstrap"; }
# What the slim images leave out.
rm -rf "$root"/usr/share/{doc,man,info,locale,groff,lintian,linda} "$root"/var/cache/* \
  "$root"/var/lib/apt/lists/* "$root"/var/log/*

step "COPY, RUN useradd"
install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
install -D -m 755 "$scratch/tallyho" "$root/usr/local/bin/tallyho"
run=$(sed -n 's/^RUN \(useradd .*\)/\1/p' Dockerfile)
chroot "$root" /bin/sh -c "$run"

step "ENTRYPOINT as USER"
inside() { chroot --userspec=10001:10001 "$root" /usr/bin/env -i "$@"; }
inside TALLYHO_WORK=/var/lib/tallyho /usr/local/bin/tallyho --version
inside /bin/sh -c 'test "$(id -u)" = 10001 && touch /var/lib/tallyho/x && rm /var/lib/tallyho/x'
said=$(inside /usr/local/bin/tallyho container 2>&1) && fail "it ran without a bucket" || true
[[ $said == *"S3_BUCKET is not set"* ]] || fail "without a bucket it said: $said"

step "size"
bytes=$(du -sb --one-file-system "$root" | cut -f1)
printf 'binary %d MB, image about %d MB\n' \
  $(($(stat -c %s "$scratch/tallyho") / 1000000)) $((bytes / 1000000))
[ "$bytes" -lt 100000000 ] || fail "larger than 100 MB"
echo "Not checked: the images' own content, the pull, the push, and that Docker builds it."
