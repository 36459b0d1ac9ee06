#!/bin/sh
# Leaves a daemon behind that has shed its session, its environment and its output, and ends.
env -i setsid sh -c "echo \$\$ > \"$NEXOMATIC_PARAM_FOLDER/daemon\"; exec sleep 1000" < /dev/null > /dev/null 2>&1 &
while [ ! -s "$NEXOMATIC_PARAM_FOLDER/daemon" ]; do sleep 0.01; done
