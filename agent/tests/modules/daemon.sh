#!/bin/sh
# Leaves a daemon behind that holds its output, without the mark in its environment, and ends.
env -i setsid sh -c "echo \$\$ > \"$NEXOMATIC_PARAM_FOLDER/daemon\"; exec sleep 1000" &
while [ ! -s "$NEXOMATIC_PARAM_FOLDER/daemon" ]; do sleep 0.01; done
echo done
