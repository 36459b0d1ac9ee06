#!/bin/sh
# In place of systemd in the root of `make soak ONLY=install`: runs the unit's command as the unit's user, and no more.
set -eu
unit=/etc/systemd/system/nexomatic-hub.service state=/run/nexomatic-hub.pid
case "$*" in *daemon-reload*|*enable*) case "$*" in *--now*) ;; *) exit 0 ;; esac ;; esac
setting() { sed -n "s/^$1=//p" $unit; }
running() { [ -e $state ] && kill -0 "$(cat $state)" 2>/dev/null; }
stop() {
  running || { rm -f $state; return 0; }
  kill "$(cat $state)"
  while running; do sleep 0.1; done
  rm -f $state
}
case "$1" in
  start|enable)
    running && exit 0
    user=$(setting User)
    # shellcheck disable=SC2046
    setsid setpriv --reuid "$user" --regid "$user" --init-groups --no-new-privs --bounding-set=-all \
      $(setting ExecStart) >>/var/log/nexomatic-hub.log 2>&1 </dev/null &
    echo $! > $state ;;
  stop|disable) stop ;;
  is-failed) ! running ;;
esac
