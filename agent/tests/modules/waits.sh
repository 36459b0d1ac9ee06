#!/bin/sh
# Says that it waits, and ends with an error once the test says so.
echo waiting
while [ ! -e "$NEXOMATIC_PARAM_GO" ]; do sleep 0.05; done
seq 1 3000
exit 3
