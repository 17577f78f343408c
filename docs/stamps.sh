#!/bin/sh
# What stamping every stage costs against stamping both ends of the work, ns per event.
#
# Runs the synthetic market as fast as it goes, once with each, in turn (A B A B), and takes the
# mean per event from the achieved rate. Prints each pair's difference and their median.
# Single pairs say little on a shared host; so does a median without its lowest and highest pair.
#
# usage: docs/stamps.sh [PAIRS [EVENTS]]      after: cargo build --release --workspace
set -eu
pairs=${1:-8}
events=${2:-900000}
tickspin=${TICKSPIN:-$(dirname "$0")/../target/release/tickspin}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

ns_per_event() { # STAMPS
    "$tickspin" run --json --no-probe --speed max --count "$events" --stamps "$1" \
        -o "$folder/$1" --force >"$folder/json"
    awk -F'[:,]' '/"achieved"/ { printf "%.2f", 1e9 / $2; exit }' "$folder/json"
}

pair=0
while [ "$pair" -lt "$pairs" ]; do
    # Who begins changes, so that a host that gets slower all the time favours neither.
    if [ $((pair % 2)) -eq 0 ]; then
        all=$(ns_per_event all)
        ends=$(ns_per_event ends)
    else
        ends=$(ns_per_event ends)
        all=$(ns_per_event all)
    fi
    pair=$((pair + 1))
    echo "$all $ends" | awk '{ printf "all %.1f  ends %.1f  difference %+.1f ns\n", $1, $2, $1 - $2 }'
    echo "$all $ends" | awk '{ print $1 - $2 }' >>"$folder/differences"
done
sort -n "$folder/differences" | awk '
    { ns[NR] = $1 }
    END {
        middle = NR % 2 ? ns[(NR + 1) / 2] : (ns[NR / 2] + ns[NR / 2 + 1]) / 2
        printf "median %+.1f ns per event, pairs %+.1f to %+.1f\n", middle, ns[1], ns[NR]
    }'
