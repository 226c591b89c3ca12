#!/bin/sh
# What salt-cloud runs on a machine that becomes a minion: `script:` of a cloud profile.
# It has put the minion's configuration, grains and keys beside this file.
#
# `file_map` of the profile sends the rest to /var/cache/holodeck/salt, and `script_env`
# says where Salt comes from:
#
#   SALT_REPOSITORY  Packages: what stands behind `deb [signed-by=…]` in apt's list, or
#                    dnf's baseurl. The repository's key is sent as repository.asc.
#   SALT_VERSION     … of the packages; the newest there is without it.
#   PIP_INDEX_URL    Otherwise pip, by its own variables, from PyPI without any: the
#   and the like     versions and hashes in salt.txt and build.txt, which are sent. For a
#                    machine that reaches no index, files.tar is sent with them; see
#                    salt-files.sh.
#
# What is there already is kept. /var/log/holodeck-minion.log says how it went.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
sent=/var/cache/holodeck/salt
home=/opt/salt
log=/var/log/holodeck-minion.log

main() {
    refuse_anothers_minion
    if [ -n "${SALT_REPOSITORY:-}" ]; then
        install_packages
    else
        install_by_pip
        write_unit
    fi
    configure
    systemctl daemon-reload
    systemctl --quiet enable salt-minion
    systemctl restart salt-minion
}

fail() {
    echo "salt-minion.sh: $*" >&2
    exit 1
}

# FILE: its masters in one line, by name: one, or a list in either of YAML's two ways.
master_in() {
    awk '
        { sub(/(^|[ \t])#.*/, "") }
        sub(/^master:/, "") { listed = 1; print; next }
        /^[ \t]*$/ { next }
        listed && sub(/^[ \t]*-[ \t]+/, "") { print; next }
        { listed = 0 }
    ' "$1" | tr -d "[]'\"\r" | tr ', \t' '\n\n\n' | grep . | sort | paste -s -d ' ' -
}

refuse_anothers_minion() {
    command -v systemctl >/dev/null || fail "systemd is missing; it runs the minion."
    [ -f /etc/salt/minion ] || return 0
    old=$(master_in /etc/salt/minion) new=$(master_in "$here/minion")
    [ -z "$old" ] || [ "$old" = "$new" ] || fail \
        "/etc/salt/minion belongs to the master $old, not $new; remove it to take over."
}

install_packages() {
    if command -v apt-get >/dev/null; then
        install -D -m 644 "$sent/repository.asc" /etc/apt/keyrings/salt.asc
        echo "deb [signed-by=/etc/apt/keyrings/salt.asc] $SALT_REPOSITORY" \
            >/etc/apt/sources.list.d/salt.list
        system_package "salt-minion${SALT_VERSION:+=$SALT_VERSION}"
    else
        install -D -m 644 "$sent/repository.asc" /etc/pki/rpm-gpg/salt.asc
        printf '[salt]\nname=Salt\nbaseurl=%s\ngpgcheck=1\ngpgkey=file://%s\n' \
            "$SALT_REPOSITORY" /etc/pki/rpm-gpg/salt.asc >/etc/yum.repos.d/salt.repo
        system_package "salt-minion${SALT_VERSION:+-$SALT_VERSION}"
    fi
}

# An image has old lists, or none. At its first boot a machine's own update holds them,
# and apt's option to wait for a lock is of packages alone.
update_lists() {
    for _ in $(seq 60); do
        said=$(LC_ALL=C apt-get update 2>&1) && return 0
        case $said in *"Could not get lock"*) sleep 5 ;; *) break ;; esac
    done
    fail "apt-get update: $said"
}

system_package() {
    if command -v apt-get >/dev/null; then
        update_lists
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
            install -y --no-install-recommends "$1"
    else
        dnf install -y "$1"
    fi
}

install_by_pip() {
    for file in salt.txt build.txt; do
        [ -f "$sent/$file" ] || fail "$sent/$file is missing; send it by file_map."
    done
    wanted=$(cat "$sent/salt.txt" "$sent/build.txt" | sha256sum)
    [ "$(cat $home/.pins 2>/dev/null)" != "$wanted" ] || return 0
    python3 -c 'import ensurepip, venv' 2>/dev/null || system_package python3-venv
    rm -rf $home
    python3 -m venv $home
    if [ -f "$sent/files.tar" ]; then
        mkdir "$home/files"
        tar -xf "$sent/files.tar" -C $home/files
        export PIP_NO_INDEX=1 PIP_FIND_LINKS=$home/files
    fi
    # Salt itself is a source: what builds it comes first, by hash too.
    pinned build.txt
    pinned salt.txt --no-build-isolation
    rm -rf $home/files
    ln -sf $home/bin/salt-call $home/bin/salt-minion /usr/local/bin/
    echo "$wanted" >$home/.pins
}

pinned() {
    file=$1
    shift
    PIP_DISABLE_PIP_VERSION_CHECK=1 $home/bin/pip install --quiet --no-deps \
        --require-hashes "$@" --requirement "$sent/$file"
}

write_unit() {
    # Salt sleeps 5 s on SIGTERM before it exits, hence the short stop.
    cat >/etc/systemd/system/salt-minion.service <<'UNIT'
[Unit]
Description=Salt minion
After=network-online.target
Wants=network-online.target
ConditionPathExists=/etc/salt/minion
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=all
ExecStart=/opt/salt/bin/salt-minion --disable-keepalive
Restart=always
RestartSec=1
TimeoutStopSec=1
KillMode=process
LimitNOFILE=8192

[Install]
WantedBy=multi-user.target
UNIT
}

configure() {
    install -d -m 755 /etc/salt
    install -d -m 700 /etc/salt/pki /etc/salt/pki/minion
    install -m 400 "$here/minion.pem" /etc/salt/pki/minion/minion.pem
    install -m 644 "$here/minion.pub" /etc/salt/pki/minion/minion.pub
    install -m 640 "$here/minion" /etc/salt/minion
    [ ! -f "$here/grains" ] || install -m 644 "$here/grains" /etc/salt/grains
    # Another one's, when the master was made anew: it is told by its fingerprint.
    rm -f /etc/salt/pki/minion/minion_master.pub
}

# In a condition `set -e` would count for nothing.
umask 022
: >$log
chmod 600 $log
set +e
(set -e; main) >>$log 2>&1
status=$?
[ $status = 0 ] || tail -n 5 $log >&2
exit $status
