#!/usr/bin/env bash
# Replays the Düsseldorf morning against a service of its own: free ports, data that is thrown
# away. Exit code and verdict are those of the load tool. PEOPLE, SPEED, SCENARIO (a file), BOTS and
# BIN (the folder of the two programs) can be set.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=${BIN:-${CARGO_TARGET_DIR:-target}/release}
data=$(mktemp -d)
service=
finish() {
    if [ -n "$service" ]; then
        kill "$service" 2>/dev/null && wait "$service" || true
    fi
    rm -rf "$data"
}
trap finish EXIT

speed=${SPEED:-40}
# All people come from this machine; to the service they would be one who asks too often.
export MORGENRUH_LIMITS_EXEMPT=127.0.0.0/8
# Nobody wishes that morning: what is cancelled is free for the next one at once.
export MORGENRUH_AGENT_REST_MINUTES_MIN=0 MORGENRUH_AGENT_REST_MINUTES_MAX=0
# The curve begins 900 s before the release.
"$bin"/morgenruh serve --config config/duesseldorf --data "$data/data" \
    --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --demo $((900 / speed + 3)) \
    >"$data/ready" 2>"$data/log" &
service=$!

until read -r address admin < <(sed -n 's/^ready listen=\([^ ]*\) admin=\([^ ]*\) .*/\1 \2/p' "$data/ready"); do
    if ! kill -0 "$service" 2>/dev/null; then
        cat "$data/log" >&2
        exit 2
    fi
    sleep 0.05
done

verdict=0
"$bin"/morgenruh-loadtest morning --base-url "http://$address" \
    --admin-url "http://$admin" --people "${PEOPLE:-6500}" --speed "$speed" \
    ${SCENARIO:+--scenario "$SCENARIO"} ${BOTS:+--bots "$BOTS"} \
    --report "$bin/../morning.json" || verdict=$?

kill "$service" && wait "$service" || true
service=
"$bin"/morgenruh verify "$data/data" || verdict=1
exit "$verdict"
