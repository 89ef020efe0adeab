#!/bin/sh
# install.sh: set this machine up as a Lintel appliance, from this checkout. Run it again to upgrade.
# `deploy/install.sh --help` tells the options, deploy/README.md what it does and how to undo it.
set -eu
umask 022
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

board='' root='' dry='' files_only='' seal='' start=yes

usage() {
    cat <<'HELP'
usage: deploy/install.sh [--board NAME] [--dry-run] [--seal] [--no-start] [--root DIR] [--files-only]

  --board NAME   pi4, pi5, jetson-orin-nano or debian; found by itself otherwise
  --dry-run      print what would be done, do nothing
  --seal         seal the device key to this machine (its TPM where it has one)
  --no-start     do not start the services
  --root DIR     install below DIR, as for an image; touches nothing of this machine
  --files-only   no Debian packages and no Python environment: files, users and units only
HELP
}

say() { printf '%s\n' "$*"; }
die() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }
do_() { if [ "$dry" ]; then say "+ $*"; else "$@"; fi; }

while [ $# -gt 0 ]; do
    case $1 in
    --board) board=${2:?--board needs a name}; shift ;;
    --root) root=${2:?--root needs a folder}; shift ;;
    --dry-run) dry=yes ;;
    --seal) seal=yes ;;
    --no-start) start='' ;;
    --files-only) files_only=yes ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; die "unknown option $1" ;;
    esac
    shift
done

check_machine() {
    [ "$dry" ] || [ "$(id -u)" = 0 ] || die "run as root: sudo deploy/install.sh"
    [ "$(getconf LONG_BIT)" = 64 ] || die "this is a 32-bit system and the model runtime has no 32-bit build; install the 64-bit image"
    case $(uname -m) in
    x86_64 | aarch64) ;;
    *) die "$(uname -m) is not supported: only x86_64 and aarch64 have a model runtime" ;;
    esac
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "python3 is older than 3.11; install Debian 12, Raspberry Pi OS (bookworm) or newer"
    if [ "$seal" ] && [ "$root" ]; then
        die "--seal ties the key to a machine, so it cannot go with --root; run it on the machine"
    fi
    command -v systemd-sysusers >/dev/null || die "systemd-sysusers is missing; this needs a system run by systemd"
}

find_board() {
    [ -z "$board" ] || return 0
    model=
    [ ! -r /proc/device-tree/model ] || model=$(tr -d '\0' </proc/device-tree/model)
    case $model in
    *"Raspberry Pi 4"* | *"Raspberry Pi Compute Module 4"*) board=pi4 ;;
    *"Raspberry Pi 5"* | *"Raspberry Pi Compute Module 5"*) board=pi5 ;;
    *"Raspberry Pi"*) die "$model: only the Pi 4 and 5 are supported; --board pi4 tries all the same" ;;
    *Jetson*Orin*) board=jetson-orin-nano ;;
    *) board=debian ;;
    esac
}

# Requirements and Debian packages of the board.
choose_parts() {
    # The compiler is for evdev, a USB keypad's driver: no wheels.
    packages='python3-venv gcc libc6-dev python3-dev'
    requirements=$board.txt
    site_packages=''
    case $board in
    pi4 | pi5)
        # libcamera's bindings exist only as Debian packages; the rest comes from the pins.
        # Compiled as well: python-prctl and, past Python 3.11, lgpio.
        packages="$packages python3-libcamera python3-kms++ libcap-dev swig"
        requirements=pi.txt
        site_packages=--system-site-packages
        ;;
    jetson-orin-nano) requirements=jetson.txt ;;
    debian) ;;
    *) die "--board $board is unknown: pi4, pi5, jetson-orin-nano, debian" ;;
    esac
}

install_packages() {
    if [ "$files_only" ] || [ "$root" ]; then return 0; fi
    missing=
    for package in $packages; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
    done
    [ "$missing" ] || return 0
    say "Debian packages:$missing"
    export DEBIAN_FRONTEND=noninteractive
    do_ apt-get update -qq
    # shellcheck disable=SC2086 # a list of names
    do_ apt-get install -y -qq --no-install-recommends $missing
}

# Each release has a folder of its own and /opt/lintel points at one. A power cut in mid-upgrade
# leaves the old one in place, and the one before is kept to go back to.
install_release() {
    [ -z "$files_only" ] || return 0
    [ -z "$root" ] || die "--root needs --files-only: a Python environment cannot be built for another root; run install.sh inside it"
    parts="appliance models firmware_config pyproject.toml deploy/requirements"
    # shellcheck disable=SC2086
    name=$(cd "$here" && find $parts -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12)
    release=/opt/lintel-releases/$name-$(python3 -c 'import sys; print("py%d.%d" % sys.version_info[:2])')
    if [ ! -e "$release/complete" ]; then
        say "Python environment: $release (some minutes)"
        do_ rm -rf "$release"
        # shellcheck disable=SC2086
        do_ python3 -m venv $site_packages "$release"
        # Before the rest, since what must be compiled is compiled with these, not with whatever is newest.
        do_ pip_install --require-hashes -r "$here/deploy/requirements/runtime.txt" -r "$here/deploy/requirements/build.txt"
        do_ pip_install --require-hashes --no-build-isolation -r "$here/deploy/requirements/$requirements"
        do_ pip_install --no-deps --no-build-isolation "$here"
        do_ "$release/bin/python" -m compileall -q "$release/lib"
        do_ touch "$release/complete"
        do_ sync
    fi
    if [ "$(readlink /opt/lintel 2>/dev/null || true)" != "$release" ]; then
        changed=yes
        keep=$(readlink /opt/lintel 2>/dev/null || true)
        [ ! -d /opt/lintel ] || [ -L /opt/lintel ] || die "/opt/lintel is a folder of something else; move it away"
        do_ ln -sfn "$release" /opt/lintel.new
        do_ mv -T /opt/lintel.new /opt/lintel
        for old in /opt/lintel-releases/*; do
            [ ! -d "$old" ] || [ "$old" = "$release" ] || [ "$old" = "$keep" ] || do_ rm -rf "$old"
        done
    fi
}

# PYPI=1: lgpio, where it must be compiled, then brings its C library along.
pip_install() { PYPI=1 PIP_DISABLE_PIP_VERSION_CHECK=1 "$release/bin/pip" install --quiet --no-input "$@"; }

# put MODE SOURCE DESTINATION: copy when it differs.
put() {
    cmp -s "$2" "$root$3" && return 0
    changed=yes
    do_ install -D -m "$1" "$2" "$root$3"
}

install_files() {
    for unit in door vision net screen; do
        put 0644 "$here/systemd/lintel-$unit.service" "/etc/systemd/system/lintel-$unit.service"
    done
    put 0644 "$here/systemd/lintel.sysusers" /etc/sysusers.d/lintel.conf
    put 0644 "$here/systemd/lintel.tmpfiles" /etc/tmpfiles.d/lintel.conf
    put 0644 "$here/systemd/lintel.rules" /etc/udev/rules.d/70-lintel.rules
    put 0755 "$here/systemd/lintel.sh" /usr/local/bin/lintel
    put 0644 "$here/deploy/README.md" /usr/local/share/doc/lintel/README.md
    put 0644 "$here/LICENSE" /usr/local/share/doc/lintel/LICENSE
    put 0644 "$here/NOTICE" /usr/local/share/doc/lintel/NOTICE
    case $board in
    pi*) put 0644 "$here/firmware_config/watchdog.conf" /etc/systemd/system.conf.d/lintel-watchdog.conf ;;
    esac
}

install_settings() {
    if [ -e "$root/etc/lintel/board.toml" ] && ! cmp -s "$here/firmware_config/$board.toml" "$root/etc/lintel/board.toml"; then
        # Pins may have been changed here to fit the wiring.
        put 0644 "$here/firmware_config/$board.toml" /etc/lintel/board.toml.new
        say "Kept your /etc/lintel/board.toml; this version's is beside it as board.toml.new"
    else
        put 0644 "$here/firmware_config/$board.toml" /etc/lintel/board.toml
    fi
    [ -e "$root/etc/lintel/lintel.toml" ] || put 0644 "$here/deploy/lintel.example.toml" /etc/lintel/lintel.toml
}

make_users_and_folders() {
    do_ systemd-sysusers "--root=$root/" "$here/systemd/lintel.sysusers"
    state=$root/var/lib/lintel
    sealed=$root/etc/credstore.encrypted/lintel.device-key
    if [ ! -e "$state/device.key" ] && [ ! -e "$sealed" ]; then
        [ ! -s "$state/lintel.db" ] ||
            die "$state/lintel.db has no device key; restore device.key from its backup, or move the database away to start anew"
        say "New device key: $state/device.key"
        do_ install -d -m 2770 "$state"
        [ "$dry" ] || (umask 077 && head -c 32 /dev/urandom >"$state/device.key.new" && mv "$state/device.key.new" "$state/device.key")
    fi
    # Owners and modes of all this are said once, there.
    do_ systemd-tmpfiles "--root=$root/" --create "$here/systemd/lintel.tmpfiles"
}

seal_key() {
    [ "$seal" ] && [ ! -e "$sealed" ] || return 0
    say "Sealing the device key. Have a copy of $state/device.key elsewhere: without one a dead board means enrolling everyone anew."
    do_ install -d -m 0700 "$(dirname "$sealed")"
    do_ systemd-creds encrypt --name=device-key "$state/device.key" "$sealed"
    [ "$dry" ] || systemd-creds decrypt --name=device-key "$sealed" - | cmp -s - "$state/device.key" ||
        die "the sealed key does not open again; the key file stays in use: rm $sealed"
    do_ rm "$state/device.key"
    changed=yes
}

# The board's lines go into config.txt itself: the boot loader in EEPROM follows no includes.
install_boot_lines() {
    fragment=$here/firmware_config/$board.config.txt
    boot=$root/boot/firmware/config.txt
    if [ ! -e "$fragment" ] || [ ! -e "$boot" ]; then return 0; fi
    new=$(mktemp)
    {
        awk '/^# BEGIN lintel$/ { skip = 1 } !skip { print } /^# END lintel$/ { skip = 0 }' "$boot"
        printf '# BEGIN lintel\n[all]\n'
        cat "$fragment"
        printf '# END lintel\n'
    } >"$new"
    if ! cmp -s "$new" "$boot"; then
        reboot_needed=yes
        [ -e "$boot.before-lintel" ] || do_ cp "$boot" "$boot.before-lintel"
        do_ cp "$new" "$boot.new"
        do_ mv "$boot.new" "$boot"
        do_ sync
    fi
    rm -f "$new"
}

start_services() {
    units='lintel-door.service lintel-vision.service lintel-net.service'
    # shellcheck disable=SC2086
    if [ "$root" ]; then
        do_ systemctl --quiet "--root=$root" enable $units
    else
        do_ systemctl --quiet enable $units
        # In a chroot or an image build there is no systemd to talk to.
        [ -d /run/systemd/system ] || return 0
        do_ systemctl daemon-reload
        if [ -e /run/udev/control ]; then # a container has none
            do_ udevadm control --reload
            do_ udevadm trigger --subsystem-match=gpio --subsystem-match=dma_heap
        fi
        [ "$start" ] || return 0
        if [ "$changed" ]; then do_ systemctl restart $units; else do_ systemctl start $units; fi
    fi
}

tell_next() {
    say "Installed for board $board."
    [ -z "$reboot_needed" ] || say "Reboot once: the boot lines in config.txt changed (the old file is config.txt.before-lintel)."
    cat <<'NEXT'
Next:
  1. /etc/lintel/lintel.toml: name the door, say which lock it has
  2. sudo lintel doctor, until nothing fails
  3. sudo systemctl restart lintel-door lintel-vision lintel-net
  4. sudo lintel people --help: enrol the first person
  5. keep a copy of /var/lib/lintel/device.key somewhere safe
NEXT
    if [ -z "$root$files_only$dry" ] && [ "$start" ] && [ -d /run/systemd/system ]; then
        sleep 5 # the services load their models
        say ''
        /usr/local/bin/lintel doctor || say "doctor found things to do (above); the installation itself is complete."
    fi
}

changed='' reboot_needed='' release='' sealed='' state=''
check_machine
find_board
choose_parts
install_packages
install_release
install_files
install_settings
make_users_and_folders
seal_key
install_boot_lines
start_services
tell_next
