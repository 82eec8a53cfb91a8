#!/bin/sh
# The whole mission on this machine, without any hardware: a simulated car, a scripted driver, and a network that learns from it.
#   graph/examples/learn/demo.sh              two minutes of driving, half a minute of learning, then the model drives roads it never saw
#   graph/examples/learn/demo.sh --quick      the same in half the time: a worse driver
# Installs what is missing (tests/setup.sh says what), builds, records, trains, lets the model drive, and says how it went.
# Leaves the recording, the weights, a plot and a film in target/demo/learn. Never touches a device, and listens on this machine only.
set -eu
export LC_ALL=C                             # numbers with a point

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
launch=$root/target/release/launch
out=$root/target/demo/learn
started=                                    # process id of launch

usage() { echo "usage: $0 [--quick]" >&2; exit 2; }

stop() { # launch stops the nodes in order: the car ends at rest, the recording whole
    trap '' INT TERM HUP
    [ -n "$started" ] && kill -TERM "$started" 2>/dev/null || return 0
    tries=0                                 # 15 s at most; wait itself ends early after a signal
    while kill -0 "$started" 2>/dev/null && [ $tries -lt 150 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
    started=
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

give_up() { # give_up SENTENCE: with what launch said last
    echo "demo: $1; the end of $out/launch.log:" >&2
    tail -n 15 "$out/launch.log" >&2
    exit 1
}

# The value of one field of a JSON object.
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^,}\"]*\).*/\1/p" | tail -n 1; }

pose() { "$launch" topic echo robot:sim/pose --once --for 5s --json 2>>"$out/launch.log" || true; }

start() { # start SEED ROBOT DESKTOP: both machines' graphs on this one, the car on the track of this seed
    seed=$1; shift
    # In a session of its own, so that Ctrl-C reaches it once, by stop: a second signal would kill the nodes instead of stopping them.
    setsid "$launch" --color never "$@" --set "node.sim.params.seed=$seed" >>"$out/launch.log" 2>&1 &
    started=$!
}

drive_for() { # drive_for SECONDS WHO: tells every ten seconds how it goes; the last line is the sum
    until=$(($(date +%s) + $1))
    while [ "$(date +%s)" -lt "$until" ]; do
        left=$((until - $(date +%s)))
        [ $left -gt 10 ] && left=10
        sleep "$left"
        kill -0 "$started" 2>/dev/null || give_up "launch ended"
        now=$(pose)
        printf '  %-6s %s of %s laps clean, %.0f m driven, %.1f of %.0f s off the road\n' "$2" "$(echo "$now" | field laps)" \
            "$(echo "$now" | field laps_any)" "$(echo "$now" | field distance)" "$(echo "$now" | field off_track_s)" \
            "$(echo "$now" | field time_s)"
    done
}

human=120 model=60
while [ $# -gt 0 ]; do
    case $1 in
        --quick) human=60 model=45; shift ;;
        *) usage ;;
    esac
done

cd "$root"
"$root/tests/setup.sh" demo
echo "demo: building (the first time takes some minutes)"
cargo build --release --workspace --bins
rm -rf "$out"
mkdir -p "$out"
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

echo
echo "1. A scripted person drives a simulated car for $human s, and is recorded; Ctrl-C ends"
start 1 "$here/robot.toml" "$here/demo-human.toml"
drive_for $human human
stop

echo
echo "2. A network learns from the recording"
"$launch" train "$out/human.mcap" -o "$out/drive.safetensors"

echo
echo "3. The network drives a road that it never saw, for $model s"
start 77 "$here/robot.toml" "$here/demo-desktop.toml"
drive_for $model model
stop

echo
echo "4. What is left of it"
"$launch" bag plot "$out/model.mcap" -o "$out/model.html" >>"$out/launch.log" 2>&1 || give_up "no plot"
"$launch" eval "$out/drive.safetensors" "$out/human.mcap" -o "$out/film" >"$out/eval.txt" 2>>"$out/launch.log" || give_up "no film"
echo "  $out/model.html         how the model drove: controls over time, who drove, the histogram of its steering"
echo "  $out/film/film.html     what the person saw and did, with what the network would have done drawn over it"
echo "  $out/human.mcap         the recording; launch bag info, launch play, and any viewer of MCAP files read it"
echo "  $out/drive.safetensors  the network, with what it expects of a camera inside"
echo
echo "By hand: launch $here/robot.toml and desktop.toml; there the model learns while you drive, and the north button lets it drive."
