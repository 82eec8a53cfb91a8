#!/bin/sh
# Fuzzes the graph file and the wire with libFuzzer, each for so long; builds into target/fuzz, which nothing else uses.
#   tests/fuzz/run.sh [SECONDS]     20 each unless said otherwise
# What it finds is kept in target/fuzz/found and shown; what it learns is kept in target/fuzz/learnt.
set -eu

seconds=${1:-20}
cd "$(dirname "$0")/../.."
here=$(pwd)
work=$here/target/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')

# libFuzzer's own way of seeing which code ran, on stable Rust. With --target the flags are for the targets alone, not for build scripts.
sancov="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
sancov="$sancov -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing"
(cd tests/fuzz && RUSTFLAGS=$sancov CARGO_TARGET_DIR=$work cargo build --quiet --release --locked --target "$host" --bins)

fuzz() { # fuzz TARGET LONGEST-INPUT OPTION-OR-SEEDS…
    target=$1; longest=$2; shift 2
    mkdir -p "$work/learnt/$target" "$work/found"
    # 512 MiB is ten times what either needs, and no input may take seconds.
    if ! "$work/$host/release/$target" -max_total_time="$seconds" -max_len="$longest" -rss_limit_mb=512 -timeout=5 \
        -artifact_prefix="$work/found/$target-" -print_final_stats=1 -verbosity=0 -close_fd_mask=1 "$@" 2>"$work/$target.log"
    then
        tail -n 60 "$work/$target.log"
        printf 'fuzz: %s failed; what it was given is in %s\n' "$target" "$work/found"
        exit 1
    fi
    sed -n "s/^stat::\(number_of_executed_units\|average_exec_per_sec\|peak_rss_mb\): */fuzz: $target \1 /p" "$work/$target.log"
}

fuzz graph 8192 -dict=tests/fuzz/graph.dict "$work/learnt/graph" tests/fuzz/seeds/graph graph/examples/offload
fuzz wire 65536 "$work/learnt/wire" tests/fuzz/seeds/wire
