#!/bin/sh
# What a part of the measurement itself costs the loop, ns per event.
#
#   stamps   stamping every stage against stamping both ends of the work
#   causes   records of slow ticks and a log each second against neither; every tick is slow
#
# Runs the synthetic market as fast as it goes, once with each, in turn (A B B A), and takes the
# mean per event from the achieved rate. Prints each pair's difference and their median.
# Single pairs say little on a shared host; so does a median without its lowest and highest pair.
#
# usage: docs/cost.sh stamps|causes [PAIRS [EVENTS]]      after: cargo build --release --workspace
set -eu
part=${1:-}
pairs=${2:-8}
events=${3:-900000}
tickspin=${TICKSPIN:-$(dirname "$0")/../target/release/tickspin}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

run() { # NAME, FLAGS…
    name=$1
    shift
    "$tickspin" run --json --no-probe --speed max --count "$events" "$@" \
        -o "$folder/$name" --force >"$folder/json"
    awk -F'[:,]' '/"achieved"/ { printf "%.2f", 1e9 / $2; exit }' "$folder/json"
}

case $part in
stamps)
    with() { run with --stamps all; }
    without() { run without --stamps ends; }
    ;;
causes)
    with() { run with --strategy probe --slow 5us; }
    # An interval longer than the run: one at its end.
    without() {
        TICKSPIN_ENGINE_RUN_INTERVAL_MS=3600000 run without --strategy probe --slow off
    }
    ;;
*)
    echo "usage: docs/cost.sh stamps|causes [PAIRS [EVENTS]]" >&2
    exit 2
    ;;
esac

pair=0
while [ "$pair" -lt "$pairs" ]; do
    # Who begins changes, so that a host that gets slower all the time favours neither.
    if [ $((pair % 2)) -eq 0 ]; then
        a=$(with)
        b=$(without)
    else
        b=$(without)
        a=$(with)
    fi
    pair=$((pair + 1))
    echo "$a $b" | awk '{ printf "with %.1f  without %.1f  difference %+.1f ns\n", $1, $2, $1 - $2 }'
    echo "$a $b" | awk '{ print $1 - $2 }' >>"$folder/differences"
done
sort -n "$folder/differences" | awk '
    { ns[NR] = $1 }
    END {
        middle = NR % 2 ? ns[(NR + 1) / 2] : (ns[NR / 2] + ns[NR / 2 + 1]) / 2
        printf "median %+.1f ns per event, pairs %+.1f to %+.1f\n", middle, ns[1], ns[NR]
    }'
