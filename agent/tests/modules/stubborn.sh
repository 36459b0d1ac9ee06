#!/bin/sh
# Starts a child in a session of its own, then waits for it. Both ignore being asked to end.
trap "" TERM
setsid sh -c "trap \"\" TERM; echo \$\$ > \"$NEXOMATIC_PARAM_FOLDER/grandchild\"; while :; do sleep 1; done" &
wait
while :; do sleep 1; done
