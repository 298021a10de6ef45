#!/usr/bin/env bash
# Builds the programs of other people that the tests of shipping use (an OCI registry, oras, cosign, helm, wkg) from the public Go modules pinned
# in tools/NAME/go.mod, and from crates.io, once, outside the checkout; prints the folder that holds them. About ten minutes on 2 cores,
# all together.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${MOTET_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/motet}/tools
mkdir -p "$out"
for tool in registry oras cosign helm; do
  # The pinned versions are part of the name: a new pin is built anew, and an old checkout finds its own.
  pinned=$(cat "$here/tools/$tool/go.mod" "$here/tools/$tool/go.sum" | sha256sum | cut -c1-12)
  if [ ! -x "$out/$tool-$pinned" ]; then
    command -v go >/dev/null || { echo "tests/real: $tool is not built yet and needs Go 1.26: install it and run again. 'make test-fast' does without." >&2; exit 1; }
    echo "tests/real: building $tool (once)" >&2
    package=$(sed -n 's/^tool //p' "$here/tools/$tool/go.mod")
    (cd "$here/tools/$tool" && CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -trimpath -ldflags '-s -w' -o "$out/.$tool.part" "$package") >&2
    mv "$out/.$tool.part" "$out/$tool-$pinned"
  fi
  ln -sfn "$tool-$pinned" "$out/$tool"
done
wkg=0.16.1
if [ ! -x "$out/wkg-$wkg" ]; then
  echo "tests/real: building wkg (once)" >&2
  # Its own target folder, gone afterwards: nothing of it is ours to keep.
  scratch=$(mktemp -d "$out/.wkg.XXXXXX")
  CARGO_TARGET_DIR=$scratch/target CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
    cargo install wkg --locked --quiet --version "$wkg" --root "$scratch" >&2
  mv "$scratch/bin/wkg" "$out/wkg-$wkg"
  rm -rf "$scratch"
fi
ln -sfn "wkg-$wkg" "$out/wkg"
echo "$out"
