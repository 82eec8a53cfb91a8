#!/bin/sh
# Robot and desktop on this machine, without any hardware: a test picture, a scripted gamepad, a virtual motor.
#   graph/examples/offload/demo.sh              until Ctrl-C
#   graph/examples/offload/demo.sh --for 20s    ends by itself
# Installs what is missing (tests/setup.sh says what), builds, runs the pair, and tells every few seconds how it goes.
# Never touches a device, and listens on this machine only.
set -eu
export LC_ALL=C                             # numbers with a point

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
launch=$root/target/release/launch
out=$root/target/demo                       # log, measurements, pictures
started=                                    # process id of launch

usage() { echo "usage: $0 [--for 20s]" >&2; exit 2; }

seconds_of() { # seconds_of 2m -> 120
    case $1 in
        *m) count=${1%m} unit=60 ;;
        *) count=${1%s} unit=1 ;;
    esac
    case $count in '' | *[!0-9]*) usage ;; esac
    echo $((count * unit))
}

stop() { # launch stops the nodes in order: the motor ends neutral
    trap - EXIT
    trap '' INT TERM HUP
    [ -n "$started" ] && kill -TERM "$started" 2>/dev/null || return 0
    tries=0                                 # 15 s at most; wait itself ends early after a signal
    while kill -0 "$started" 2>/dev/null && [ $tries -lt 150 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
}

give_up() { # give_up SENTENCE: with what launch said last
    echo "demo: $1; the end of $out/launch.log:" >&2
    tail -n 15 "$out/launch.log" >&2
    exit 1
}

# The values of one field in JSON objects, one a line.
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^,}\"]*\).*/\1/p"; }

# "p50 p99" in milliseconds: how old each state of the driver's hands was when the motor first put it out. The motor says at each
# output how old what it obeys is; what it obeys is told apart by when it was sensed. -1: it obeys nothing.
hand_to_motor() {
    sed -n 's/.*"stamp_ns":\([0-9]*\).*"picture_age_ns":\([0-9]*\).*/\1 \2/p' | awk '
        { sensed = $1 - $2; if (sensed - last > 5e5) print $2 / 1e6; last = sensed }' | sort -n | awk '
        { ms[NR] = $1 }
        END { if (NR) printf "%.1f %.1f", ms[int((NR - 1) * 0.50) + 1], ms[int((NR - 1) * 0.99) + 1] }'
}

wait_for_pictures() { # 20 s at most: the link may have to try a few times
    tries=0
    until "$launch" topic echo desktop:robot:camera/frames --once --for 1s --json 2>/dev/null | grep -q seq; do
        kill -0 "$started" 2>/dev/null || give_up "launch ended"
        tries=$((tries + 1))
        [ $tries -lt 20 ] || give_up "no picture has reached the desktop"
        sleep 0.2
    done
}

measure() { # 2 s of what the desktop gets to see and of what the motor does
    "$launch" topic hz desktop:robot:camera/frames --for 2s --json >"$out/frames.json" 2>>"$out/measure.log" &
    frames=$!
    "$launch" topic echo robot:motor/state --for 2s --json >"$out/motor.json" 2>>"$out/measure.log" || true
    wait $frames || true
}

report() {
    kill -0 "$started" 2>/dev/null || give_up "launch ended"
    measure
    line=$(tail -n 1 "$out/frames.json")
    rate=$(echo "$line" | field rate_hz) gaps=$(echo "$line" | field gaps)
    see50=$(echo "$line" | field age_p50_ms) see99=$(echo "$line" | field age_p99_ms)
    set -- $(hand_to_motor <"$out/motor.json")
    do50=${1:-} do99=${2:-}
    line=$(tail -n 1 "$out/motor.json")
    mode=$(echo "$line" | field mode | sed 's/MOTOR_MODE_//' | tr 'A-Z_' 'a-z ')
    forward=$(echo "$line" | field forward) turn=$(echo "$line" | field turn)
    echo
    echo "after $(since) s"
    "$launch" ps --json | awk -F'"' '
        { for (i = 2; i < NF; i += 2) if ($(i + 1) ~ /^:$/) value[$i] = $(i + 2)
          who = value["node"]; if (value["state"] != "ready" && value["state"] != "running") who = who " (" value["state"] ")"
          up[value["graph"]] = up[value["graph"]] " " who }
        END { for (graph in up) printf "  %-8s %s\n", graph, up[graph] }' | sort
    printf '  camera    %.1f pictures a second reach the desktop, %s missing\n' "${rate:-0}" "${gaps:-?}"
    printf '  motor     %s: forward %.2f, turn %.2f\n' "${mode:-silent}" "${forward:-0}" "${turn:-0}"
    if [ -z "$do50" ] || [ -z "$see50" ]; then
        echo "  latency   nothing obeyed yet"
        return
    fi
    printf '  latency   lens to desktop %.1f ms (p99 %.1f), hand to motor %.1f ms (p99 %.1f)\n' "$see50" "$see99" "$do50" "$do99"
    echo "$see50 $do50 $see99 $do99" | awk '
        { printf "            picture to motion %.1f ms (p99 below %.1f) and whatever the driver takes\n", $1 + $2, $3 + $4 }'
}

where_next() {
    echo
    echo "Where to look next:"
    echo "  $out/launch.log     what the nodes say"
    echo "  $out/pictures/      what the viewer shows"
    echo "  target/release/launch ps | topic list | topic hz camera/frames | topic echo motor/state    while it runs"
    echo "  target/release/launch restart pilot    and see the motor stop and go on, while it runs"
    echo "  graph/examples/offload/    robot.toml and desktop.toml are the same pair with hardware; drive.toml is the driver's script"
}

seconds=
while [ $# -gt 0 ]; do
    case $1 in
        --for) [ $# -ge 2 ] || usage; seconds=$(seconds_of "$2"); shift 2 ;;
        --for=*) seconds=$(seconds_of "${1#--for=}"); shift ;;
        *) usage ;;
    esac
done

cd "$root"
"$root/tests/setup.sh" demo
echo "demo: building (the first time takes some minutes)"
cargo build --release --workspace --bins
mkdir -p "$out"

trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
# In a session of its own, so that Ctrl-C reaches it once, by stop: a second signal would kill the nodes instead of stopping them.
setsid "$launch" --color never "$here/demo-robot.toml" "$here/demo-desktop.toml" >"$out/launch.log" 2>&1 &
started=$!
began=$(date +%s)
since() { echo $(($(date +%s) - began)); }
echo "demo: robot and desktop run${seconds:+ for $seconds s}; Ctrl-C ends"
wait_for_pictures
[ -n "$seconds" ] || where_next
while [ -z "$seconds" ] || [ "$(since)" -lt "$seconds" ]; do
    report
    sleep 2
done
stop
where_next
