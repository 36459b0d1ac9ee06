#!/bin/sh
# Scripts that misbehave: which one, says the parameter DO. What each must end with is in agent_testing/nasty.py.
case "$NEXOMATIC_PARAM_DO" in
  floods)  # both streams at once
    yes "a line on standard output" | head -n 5000 &
    yes "a line on standard error" | head -n 5000 >&2
    wait ;;
  no-end) printf 'no end of line' ;;
  binary) head -c 100000 /dev/urandom ;;
  family) for i in 1 2 3; do (trap "" TERM; sleep 1000 & sleep 1000) & done ;;
  daemon) setsid sh -c 'trap "" TERM HUP; sleep 1000' & ;;
  orphan) env -i setsid sleep 1000 & ;;
  stubborn) trap "" TERM INT HUP; echo ready; while :; do sleep 1; done ;;
  stops) echo ready; kill -STOP $$; echo woken ;;
  dies) echo before; kill -"$NEXOMATIC_PARAM_SIGNAL" $$ ;;
  closes) echo before; exec >&- 2>&-; sleep 0.1; exit 3 ;;
  talks) (while :; do echo still talking; done) & echo before; exit 4 ;;
  deaf) exec <&-; exit 0 ;;  # with an input larger than a pipe
  gone) rm -rf "$PWD"; echo gone; exit 5 ;;
  link) rm -rf "$PWD"; ln -s /proc/self "$PWD" ;;
  folder) mkdir "$NEXOMATIC_RESULT" ;;
  pipe) mkfifo "$NEXOMATIC_RESULT" ;;
  symlink) ln -s /etc/passwd "$NEXOMATIC_RESULT" ;;
  huge) truncate -s 100G "$NEXOMATIC_RESULT" ;;
  nothing) : > "$NEXOMATIC_RESULT" ;;
  rubbish) printf '{"state": "SUCCESS", ' > "$NEXOMATIC_RESULT" ;;
  spoils)  # somebody else writes to the result after the end
    echo '{"state": "WARNING", "code": "MINE"}' > "$NEXOMATIC_RESULT.mine"
    setsid sh -c 'sleep 0.2; while :; do echo "{" > "$NEXOMATIC_RESULT"; done' &
    mv "$NEXOMATIC_RESULT.mine" "$NEXOMATIC_RESULT" ;;
  full) cat /dev/zero > big ;;
  *) echo "what is $NEXOMATIC_PARAM_DO?" >&2; exit 99 ;;
esac
