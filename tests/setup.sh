#!/usr/bin/env bash
# Makes sure that the toolchain of rust-toolchain.toml is there with its wasm target; says what is missing otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cargo >/dev/null || { echo "motet: cargo is missing: install Rust with rustup (https://rustup.rs), then run again" >&2; exit 1; }
for program in cc make; do
  command -v $program >/dev/null || { echo "motet: $program is missing: apt-get install build-essential" >&2; exit 1; }
done
target=$(sed -n 's/^targets = \["\(.*\)"\]/\1/p' rust-toolchain.toml)
if ! rustc --print target-libdir --target "$target" >/dev/null 2>&1 || [ ! -d "$(rustc --print target-libdir --target "$target")" ]; then
  command -v rustup >/dev/null || { echo "motet: the Rust target $target is missing: install it with your toolchain, or use rustup" >&2; exit 1; }
  rustup target add "$target"
fi
