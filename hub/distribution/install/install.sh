#!/bin/sh
# Installs, updates or removes the Nexomatic agent on this machine. Made by the hub at @HUB@.
#
#   curl -fsSL @HUB@/agent/install.sh | sudo sh -s -- --name NAME
#
# Everything is a function and the last line calls it: a download that is cut off does nothing.
set -eu

HUB='@HUB@'
VERSION='@VERSION@'
SHA256='@SHA256@'

usage() {
    cat <<END
Installs the Nexomatic agent $VERSION for the hub at $HUB.

  --name NAME         name of this sink (default: the machine's name)
  --token-file FILE   the enrolment token; without it \$NEXOMATIC_AGENT_TOKEN, or it is asked for.
                      It is no option of its own: what is on a command line is seen by all on the machine
  --prefix FOLDER     where the program goes (default: /opt/nexomatic-agent)
  --state FOLDER      where the agent keeps what it knows (default: /var/lib/nexomatic-agent)
  --python PROGRAM    a Python of 3.9 or newer (default: python3)
  --ca-file FILE      certificates to trust instead of the machine's, for a private authority
  --trusted-keys FILE public keys: nothing runs but bundles that one of them signed
  --no-service        no account and no systemd unit: you start PREFIX/bin/nexomatic-agent run yourself
  --uninstall         stop it and remove program and unit; what it knows stays, with its identity
  --purge             with --uninstall: remove that too, and the account
END
}

say() { printf '%s\n' "nexomatic-agent: $*"; }
die() { printf '%s\n' "nexomatic-agent: $*" >&2; exit 1; }

main() {
    name='' token_file='' prefix=/opt/nexomatic-agent state=/var/lib/nexomatic-agent python=python3 ca_file=''
    trusted_keys='' service=true uninstall=false purge=false
    account=nexomatic-agent unit=/etc/systemd/system/nexomatic-agent.service
    while [ $# -gt 0 ]; do
        case $1 in
            --name|--token-file|--prefix|--state|--python|--ca-file|--trusted-keys)
                [ $# -gt 1 ] || die "$1 needs a value"
                case $1 in
                    --name) name=$2 ;;
                    --token-file) token_file=$2 ;;
                    --prefix) prefix=$2 ;;
                    --state) state=$2 ;;
                    --python) python=$2 ;;
                    --ca-file) ca_file=$2 ;;
                    --trusted-keys) trusted_keys=$2 ;;
                esac
                shift 2 ;;
            --no-service) service=false; shift ;;
            --uninstall) uninstall=true; shift ;;
            --purge) purge=true; shift ;;
            --help|-h) usage; exit 0 ;;
            *) die "$1 is not known; --help tells what is" ;;
        esac
    done
    for folder in "$prefix" "$state"; do
        case $folder in
            /?*) ;;
            *) die "--prefix and --state are full paths, such as /opt/nexomatic-agent" ;;
        esac
    done
    for file in "$ca_file" "$trusted_keys" "$token_file"; do
        [ -z "$file" ] || [ -r "$file" ] || die "$file cannot be read"
    done
    if $service; then
        [ "$(id -u)" = 0 ] || die "run it as root, or with --no-service and a --prefix and --state of your own"
        command -v systemctl >/dev/null || die "this machine has no systemd: use --no-service, and start the agent yourself"
    fi
    umask 022
    if $uninstall; then remove; else install_agent; fi
}

remove() {
    if $service; then
        systemctl disable --now nexomatic-agent.service 2>/dev/null || true
        rm -f "$unit"
        systemctl daemon-reload
    fi
    [ ! -e "$prefix/.nexomatic-agent" ] || rm -rf "$prefix"
    if $purge; then
        [ ! -e "$state/identity.json" ] || rm -rf "$state"
        if $service; then
            rm -f /etc/nexomatic/agent.conf
            ! id "$account" >/dev/null 2>&1 || userdel "$account"
        fi
        say "removed, with all that it knew. Remove the sink at the hub too: nexo sinks remove NAME"
    else
        say "removed; what it knew is in $state"
    fi
}

install_agent() {
    command -v "$python" >/dev/null || die "there is no $python: install Python 3.9 or newer, or name one with --python"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || die "$python is older than 3.9; name another with --python"
    "$python" -c 'import ssl, venv, zipfile' || die "$python lacks a part of its standard library (ssl, venv, zipfile)"
    place=$prefix/versions/$VERSION-$(printf '%s' "$SHA256" | cut -c 1-8)
    if [ ! -e "$place/.complete" ]; then
        mkdir -p "$prefix/versions"
        : > "$prefix/.nexomatic-agent"
        rm -rf "$place"
        say "installing $VERSION into $place"
        "$python" -m venv --without-pip "$place" || die "no virtual environment could be made in $place"
        "$place/bin/python" - "$HUB/agent/package/$VERSION?sha256=$SHA256" "$SHA256" "$ca_file" <<'END' || { rm -rf "$place"; die "nothing was changed"; }
import hashlib, io, ssl, sys, sysconfig, urllib.error, urllib.request, zipfile

address, wanted, ca_file = sys.argv[1:]
try:
    context = ssl.create_default_context(cafile=ca_file or None)
    with urllib.request.urlopen(address, timeout=120, context=context) as answer:
        content = answer.read(64 * 1024 * 1024)
except (OSError, ValueError) as error:
    sys.exit(f"nexomatic-agent: {address} cannot be read: {error}")
if hashlib.sha256(content).hexdigest() != wanted:
    sys.exit(f"nexomatic-agent: {address} is not what this script was made for; get the script again")
site = sysconfig.get_path("purelib")
with zipfile.ZipFile(io.BytesIO(content)) as package:
    for name in package.namelist():
        if name.endswith(".whl"):
            with zipfile.ZipFile(io.BytesIO(package.read(name))) as wheel:
                wheel.extractall(site)
END
        "$place/bin/python" -m nexomatic_agent --version >/dev/null || { rm -rf "$place"; die "the agent does not start"; }
        : > "$place/.complete"
    fi
    mkdir -p "$prefix/bin"
    ln -sfn "$place" "$prefix/current"
    if $service; then
        config=/etc/nexomatic/agent.conf
        mkdir -p /etc/nexomatic
        id "$account" >/dev/null 2>&1 || useradd --system --user-group --home-dir "$state" --shell /usr/sbin/nologin "$account"
    else
        config=$prefix/agent.conf
    fi
    cat > "$prefix/bin/nexomatic-agent" <<END
#!/bin/sh
export NEXOMATIC_AGENT_CONFIG="\${NEXOMATIC_AGENT_CONFIG:-$config}"
exec "$prefix/current/bin/python" -m nexomatic_agent "\$@"
END
    chmod 755 "$prefix/bin/nexomatic-agent"
    if [ -e "$config" ]; then
        say "$config stays as it is"
    else
        write_config > "$config.new"
        mv "$config.new" "$config"
    fi
    mkdir -p "$state"
    chmod 700 "$state"
    if $service; then chown "$account:$account" "$state"; fi
    enrol
    if $service; then start_service; fi
    find "$prefix/versions" -mindepth 1 -maxdepth 1 ! -path "$place" -exec rm -rf {} +
    say "the agent $VERSION is installed"
    $service || say "start it: $prefix/bin/nexomatic-agent run"
}

write_config() {
    printf 'hub = %s\nstate = %s\n' "$HUB" "$state"
    [ -z "$name" ] || printf 'name = %s\n' "$name"
    [ -z "$ca_file" ] || printf 'ca_bundle = %s\n' "$ca_file"
    [ -z "$trusted_keys" ] || printf 'trusted_keys = %s\n' "$trusted_keys"
}

enrol() {
    if [ -e "$state/identity.json" ]; then
        say "it is enrolled already, and stays who it is"
        return
    fi
    token=${NEXOMATIC_AGENT_TOKEN:-}
    if [ -n "$token_file" ]; then
        token=$(cat "$token_file")
    elif [ -z "$token" ]; then
        if ! (: < /dev/tty) 2>/dev/null; then
            die "there is nobody to ask for the enrolment token: use --token-file or NEXOMATIC_AGENT_TOKEN"
        fi
        printf 'Enrolment token (nexo sinks enrol SINK_TYPE): ' > /dev/tty
        stty -echo < /dev/tty
        trap 'stty echo < /dev/tty' EXIT INT TERM
        IFS= read -r token < /dev/tty || true
        stty echo < /dev/tty
        trap - EXIT INT TERM
        printf '\n' > /dev/tty
    fi
    [ -n "$token" ] || die "there is no enrolment token"
    # In the environment, which only this account and root can see.
    NEXOMATIC_AGENT_TOKEN=$token
    export NEXOMATIC_AGENT_TOKEN
    if $service; then
        runuser -u "$account" -- "$prefix/bin/nexomatic-agent" enroll || die "it is installed, but the hub did not take it in"
    else
        "$prefix/bin/nexomatic-agent" enroll || die "it is installed, but the hub did not take it in"
    fi
    unset NEXOMATIC_AGENT_TOKEN
}

start_service() {
    cat > "$unit" <<END
[Unit]
Description=Nexomatic agent
Documentation=$HUB
After=network-online.target
Wants=network-online.target

[Service]
User=$account
ExecStart=$prefix/bin/nexomatic-agent run
Restart=always
RestartSec=1
# What the agent answers that the hub has told to stop.
RestartPreventExitStatus=7
KillMode=mixed
TimeoutStopSec=120

[Install]
WantedBy=multi-user.target
END
    systemctl daemon-reload
    systemctl enable nexomatic-agent.service
    systemctl restart nexomatic-agent.service
}

main "$@"
