#!/usr/bin/env bash
# Builds the library anew. Only for a look: the one that lies here stays as it is.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../../.. && pwd)
# Paths of this machine are nobody's business.
export RUSTFLAGS="--remap-path-prefix=$root=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
export CARGO_TARGET_DIR=${1:?"usage: build.sh TARGET_DIR"}
cargo build --release
ls -l "$CARGO_TARGET_DIR/release/libveteran.so"
