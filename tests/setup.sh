#!/bin/sh
# Installs what a Debian machine with Rust still lacks:
#   tests/setup.sh demo    to build the nodes and to run the demonstration
#   tests/setup.sh test    that, and what the tests use: a display without a screen, network tools, a clock that lies, a Python with pyzmq and protobuf
#   tests/setup.sh vm      that, and a virtual machine with a camera, gamepads and motor boards (250 MB to fetch; without it those tests are skipped)
# Says what it does before it does it; installs nothing that is there. Never touches Rust itself.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
venv=$root/target/venv

say() { printf '%s\n' "setup: $*" >&2; }
die() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }
need() { # need PACKAGE if the command after it fails
    package=$1; shift
    "$@" || missing="$missing $package"
}

missing_packages() {
    missing=
    need build-essential has cc
    need pkg-config has pkg-config                              # finds libudev
    need libudev-dev installed libudev-dev                      # gamepad
    need libclang-dev installed libclang-dev                    # camera: its bindings are made from kernel headers
    if [ "$1" != demo ] || [ -n "${DISPLAY:-}" ]; then           # viewer: loaded when it opens a window
        need libx11-6 installed libx11-6
        need libxcursor1 installed libxcursor1
    fi
    if [ "$1" != demo ]; then
        need xvfb has Xvfb
        need iproute2 has ip
        need faketime has faketime                              # a clock that jumps
        need strace has strace                                  # a disk that is slow
        need python3-venv python3 -c 'import venv, ensurepip' 2>/dev/null
    fi
    if [ "$1" = vm ]; then
        need qemu-system-x86 has qemu-system-x86_64
        need busybox-static has busybox
        need cpio has cpio
        need kmod has depmod
        need xz-utils has xz
        need linux-headers-amd64 installed linux-headers-amd64  # to build the two virtual devices that Debian's kernel lacks
    fi
    echo $missing                                               # unquoted: one space between two
}

install() { # install PACKAGE…
    has apt-get || die "this is no Debian; please install what corresponds to: $*"
    as_root=
    if [ "$(id -u)" != 0 ]; then
        has sudo || die "please let somebody who may run: apt-get install $*"
        as_root=sudo
    fi
    say "installing Debian packages: $*"
    $as_root apt-get update -q
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

make_venv() {
    if "$venv/bin/python" -c 'import zmq, google.protobuf, jsonschema, mcap_protobuf, pyarrow, pandas, av, PIL, rerun' 2>/dev/null; then
        return
    fi
    say "making a Python with pyzmq, protobuf, jsonschema and readers of recordings in $venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check pyzmq protobuf jsonschema \
        mcap mcap-protobuf-support rerun-sdk pyarrow pandas av numpy pillow # read back what recorder wrote
}

case ${1:-} in demo | test | vm) ;; *) die "say what for: tests/setup.sh demo, or test, or vm" ;; esac
has cargo || die "there is no cargo: install Rust from https://rustup.rs and open a new shell"
packages=$(missing_packages "$1")
if [ -n "$packages" ]; then
    install $packages
fi
if [ "$1" != demo ]; then
    make_venv
fi
if [ "$1" = vm ]; then
    sh "$root/tests/vm/setup.sh"
fi
