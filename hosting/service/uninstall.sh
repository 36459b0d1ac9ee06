#!/bin/sh
# Takes the hub away. Data, settings and the account stay, unless --purge says otherwise.
#
#   uninstall.sh [--root DIR] [--purge]
set -eu
main() {
  root='' purge=no
  while [ $# -gt 0 ]; do
    case $1 in
      --root) root=${2%/}; shift ;;
      --purge) purge=yes ;;
      *) echo "uninstall.sh: not understood: $1" >&2; exit 1 ;;
    esac
    shift
  done
  [ -n "$root" ] || [ "$(id -u)" = 0 ] || { echo 'uninstall.sh: run this as root' >&2; exit 1; }
  cd /
  if [ -z "$root" ] && [ -d /run/systemd/system ]; then
    systemctl disable --quiet --now nexomatic-hub 2>/dev/null || true
  fi
  rm -f "$root/etc/systemd/system/nexomatic-hub.service" "$root/usr/local/bin/nexomatic-hub" "$root/usr/local/bin/nexo"
  rm -rf "$root/opt/nexomatic"
  if [ -z "$root" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
  if [ $purge = yes ]; then
    rm -rf "$root/etc/nexomatic-hub" "$root/var/lib/nexomatic-hub"
    if [ -z "$root" ] && getent passwd nexomatic-hub >/dev/null; then userdel nexomatic-hub; fi
    echo 'removed, with data and settings'
  else
    echo "removed; $root/var/lib/nexomatic-hub and $root/etc/nexomatic-hub are left (--purge removes them)"
  fi
}
# Read to its end before it begins: it removes itself.
main "$@"; exit
