#!/bin/sh
echo out
echo err >&2
cat "$NEXOMATIC_INPUT" > /dev/null
exit "${NEXOMATIC_PARAM_CODE:-0}"
