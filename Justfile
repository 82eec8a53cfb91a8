# The usual commands in short; nothing here is needed to work without `just`.

default:
    @just --list

# formatting, lints, unit tests of one pass
check:
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets -- -D warnings

# every test, as the README says
test:
    tests/run.sh

# every bench: latency of an edge, the loop, recovery, start-up, the robot's CPU
bench:
    cargo build --release --workspace --bins
    cargo bench --workspace

# the demonstration without hardware
demo *ARGS:
    graph/examples/offload/demo.sh {{ARGS}}

# the robot's side
robot *ARGS: build
    target/release/launch graph/examples/offload/robot.toml {{ARGS}}

# the desktop's side
desktop *ARGS: build
    target/release/launch graph/examples/offload/desktop.toml {{ARGS}}

# what a node is: its inputs, outputs and parameters
node NAME: build
    target/release/{{NAME}} --help

build:
    cargo build --release --workspace --bins
