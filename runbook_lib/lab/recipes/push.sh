#!/bin/sh
# Fill a registry's storage: run in a network namespace of its own, so that no port of this machine is opened.
# $1 configuration of the registry, $2 directory of OCI archives named <image>.tar.
set -eu
ip link set lo up
docker-registry serve "$1" &
registry=$!
trap 'kill "$registry"' EXIT
for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
    socat /dev/null TCP4:127.0.0.1:5000 2>/dev/null && break
    sleep 0.2
done
for archive in "$2"/*.tar; do
    image=$(basename "$archive" .tar)
    skopeo copy --quiet --insecure-policy --dest-tls-verify=false --format v2s2 \
        "oci-archive:$archive" "docker://127.0.0.1:5000/runbook/$image:1"
done
