#!/bin/sh
# Entry point of the image, by the name that Heketi's manifests know. Arguments go to brickyard itself.
set -eu
if [ "$#" -gt 0 ]; then
    exec brickyard "$@"
fi
if [ -f /etc/heketi/heketi.json ]; then
    exec heketi --config=/etc/heketi/heketi.json
fi
exec heketi
