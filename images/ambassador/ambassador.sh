#!/bin/sh
# For every variable NAME_PORT_<port>_TCP=tcp://<host>:<port2> in the environment (what Docker's links set),
# listen on <port> and relay each connection to <host>:<port2>.
#
# Ends with 0 on SIGTERM or SIGINT, with 2 when no variable or a malformed one is given,
# with 1 as soon as one relay ends.
set -u

say() { echo "ambassador: $*" >&2; }

relays=$(mktemp)
env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)_PORT_\([0-9][0-9]*\)_TCP=\(.*\)$/\1 \2 \3/p' | sort -u >"$relays"
if [ ! -s "$relays" ]; then
    say 'nothing to relay: set a variable such as REDIS_PORT_6379_TCP=tcp://192.168.7.31:6379'
    exit 2
fi

children=''
stop() {
    trap - TERM INT
    for child in $children; do kill "$child" 2>/dev/null; done
    say "stopped by $1"
    exit 0
}
trap 'stop SIGTERM' TERM
trap 'stop SIGINT' INT

while read -r name port target; do
    address=${target#tcp://}
    host=${address%:*}
    remote=${address##*:}
    case $target in
    tcp://?*:*[0-9]) ;;
    *)
        say "${name}_PORT_${port}_TCP=$target is not of the form tcp://HOST:PORT"
        exit 2
        ;;
    esac
    say "port $port -> $host:$remote ($name)"
    socat "TCP4-LISTEN:$port,fork,reuseaddr" "TCP4:$host:$remote,connect-timeout=10" &
    children="$children $!"
done <"$relays"
rm -f "$relays"

# A signal interrupts `wait`, not `sleep`: so wait for a short sleep, then look whether every relay still lives.
while :; do
    sleep 1 &
    wait "$!"
    for child in $children; do
        if ! kill -0 "$child" 2>/dev/null; then
            wait "$child"
            code=$?
            say "a relay ended with exit code $code"
            for other in $children; do kill "$other" 2>/dev/null; done
            exit 1
        fi
    done
done
