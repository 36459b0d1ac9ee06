#!/bin/sh
# Installs the hub on this machine, out of the folder that this script lies in. Again: goes on where it was stopped.
#
#   install.sh [--root DIR] [--no-start]
#
# --root: below another folder, for an image; no account is made there, nothing is started.
set -eu
fail() { echo "install.sh: $1" >&2; exit 1; }
root='' start=yes
while [ $# -gt 0 ]; do
  case $1 in
    --root) [ $# -gt 1 ] || fail '--root needs a folder'; root=${2%/}; shift ;;
    --no-start) start=no ;;
    *) fail "not understood: $1" ;;
  esac
  shift
done
here=$(dirname "$(readlink -f "$0")")
python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail 'Python 3 is needed: apt-get install python3'
[ -n "$root" ] || [ "$(id -u)" = 0 ] || fail 'run this as root'
[ ! -e "$root/opt/nexomatic/current" ] || [ -e "$root/opt/nexomatic/installing" ] \
  || fail 'the hub is installed already; to bring it to this release: nexomatic-hub upgrade ARCHIVE'
umask 022

if [ -z "$root" ] && ! getent passwd nexomatic-hub >/dev/null; then
  useradd --system --user-group --home-dir /var/lib/nexomatic-hub --no-create-home --shell /usr/sbin/nologin nexomatic-hub
fi
mkdir -p "$root/opt/nexomatic/releases" "$root/etc/systemd/system" "$root/usr/local/bin" "$root/var/lib"
: > "$root/opt/nexomatic/installing"
release=$("$python" "$here/place.py" "$here" "$root/opt/nexomatic/releases")
[ -d "$root/var/lib/nexomatic-hub" ] || mkdir -m 0700 "$root/var/lib/nexomatic-hub"
[ -d "$root/etc/nexomatic-hub" ] || mkdir -m 0750 "$root/etc/nexomatic-hub"
if [ ! -e "$root/etc/nexomatic-hub/hub.env" ]; then
  cp "$here/hub.env" "$root/etc/nexomatic-hub/hub.env.new"
  chmod 0640 "$root/etc/nexomatic-hub/hub.env.new"
  mv "$root/etc/nexomatic-hub/hub.env.new" "$root/etc/nexomatic-hub/hub.env"
fi
if [ -z "$root" ]; then
  chown nexomatic-hub:nexomatic-hub /var/lib/nexomatic-hub
  chown root:nexomatic-hub /etc/nexomatic-hub /etc/nexomatic-hub/hub.env
fi
install -m 0644 "$here/nexomatic-hub.service" "$root/etc/systemd/system/nexomatic-hub.service"
ln -sfn "releases/$(basename "$release")" "$root/opt/nexomatic/current"
ln -sfn /opt/nexomatic/current/nexomatic-hub "$root/usr/local/bin/nexomatic-hub"
ln -sfn /opt/nexomatic/current/nexo "$root/usr/local/bin/nexo"
rm -f "$root/opt/nexomatic/installing"

if [ -z "$root" ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  if [ $start = yes ]; then systemctl enable --quiet --now nexomatic-hub; else systemctl enable --quiet nexomatic-hub; fi
fi
echo "installed $(basename "$release"); settings: $root/etc/nexomatic-hub/hub.env; data: $root/var/lib/nexomatic-hub"
echo 'first sign-in, once it runs: nexomatic-hub first-password'
