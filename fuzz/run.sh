#!/usr/bin/env bash
# Runs fuzz targets one after the other, each for so many seconds, and stops at the first finding:
#
#   fuzz/run.sh SECONDS [TARGET...]
#
# Without a sanitizer the stable compiler can build them. Our code has no `unsafe` that one would watch, and a target runs
# twice as fast. What was found stays in fuzz/corpus, or in the directory that CORPUS names.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="$1"
shift

command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
cargo fuzz build --sanitizer none
if [ $# -eq 0 ]; then
    mapfile -t targets < <(cargo fuzz list)
    set -- "${targets[@]}"
fi
for target in "$@"; do
    printf '\n== %s\n' "$target"
    corpus="${CORPUS:-fuzz/corpus}/$target"
    mkdir -p "$corpus"
    cargo fuzz run --sanitizer none "$target" "$corpus" "fuzz/seeds/$target" -- -max_total_time="$seconds" \
        -print_final_stats=1
done
