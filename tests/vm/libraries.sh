#!/bin/sh
# Copies the shared libraries of programs into a folder that will be a root:   libraries.sh ROOT PROGRAM…
set -eu
into=$1
shift
for program in "$@"; do
    ldd "$program" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p; s/^\t\(\/lib[^ ]*\) (.*/\1/p'
done | sort -u | while read -r library; do
    mkdir -p "$into$(dirname "$library")"
    cp -Lu "$library" "$into$library"
done
