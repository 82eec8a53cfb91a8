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

# the fault matrix alone: everything that may go wrong, and what it prints
faults *ARGS: build
    cargo test --release -p offboard-tests --test faults -- --show-output {{ARGS}}

# cameras, gamepads and motor boards, in a virtual machine that has them; ONLY: a part of the scenarios' names, for instance camera::
test-vm ONLY="": build
    sh tests/setup.sh vm
    cargo test --release -p offboard-tests --test guest --no-run
    VM_ONLY={{ONLY}} cargo test --release -p offboard-tests --test vm -- --nocapture

# arbitrary bytes against the graph file and the wire
fuzz SECONDS="60":
    tests/fuzz/run.sh {{SECONDS}}

# every bench: latency of an edge, the loop, recovery, faults, start-up, the robot's CPU
bench:
    cargo build --release --workspace --bins
    cargo bench --workspace

# a day's frames and a thousand kills in ten minutes: no loss, no leak, nothing left
soak:
    cargo build --release --workspace --bins
    cargo test --release -p offboard-tests --test soak -- --ignored --nocapture

# breaks the demonstration's nodes at random for a minute and shows how they mend
chaos *ARGS: build
    target/release/launch chaos graph/examples/offload/demo-robot.toml graph/examples/offload/demo-desktop.toml {{ARGS}}

# the demonstration without hardware: a person drives, a network learns and drives
demo *ARGS:
    graph/examples/learn/demo.sh {{ARGS}}

# the offloading job alone: a test picture, a scripted gamepad, a virtual motor, until Ctrl-C
offload *ARGS:
    graph/examples/offload/demo.sh {{ARGS}}

# laps of a person, a network and nobody against the latency of the loop, in virtual time
laps *ARGS:
    cargo bench -p offboard-tests --bench laps -- {{ARGS}}

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
