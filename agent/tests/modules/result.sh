#!/usr/bin/env bash
[[ 1 == 1 ]] && printf "%s" "{\"state\": \"WARNING\", \"code\": \"FROM_FILE\", \"message\": \"m\", \"data\": [1]}" > "$NEXOMATIC_RESULT"
exit 9
