#!/bin/sh
# Installs what the tests need (tests/setup.sh says what), builds everything once, and runs every test.
#   tests/run.sh                    all of them
#   tests/run.sh -p offboard        what cargo test takes
set -eu

cd "$(dirname "$0")/.."
sh tests/setup.sh test
[ $# -gt 0 ] || set -- --workspace
cargo build --release --workspace --bins    # the end-to-end tests run the real programs
exec cargo test --release "$@"
