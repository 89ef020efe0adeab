#!/bin/sh
# uninstall.sh [--purge] [--dry-run] [--root DIR]: take Lintel off this machine.
# People, events, keys and settings stay, unless --purge: then they are gone for good.
set -eu
purge='' dry='' root=''

die() { printf 'uninstall.sh: %s\n' "$*" >&2; exit 1; }
do_() { if [ "$dry" ]; then printf '+ %s\n' "$*"; else "$@"; fi; }

while [ $# -gt 0 ]; do
    case $1 in
    --purge) purge=yes ;;
    --dry-run) dry=yes ;;
    --root) root=${2:?--root needs a folder}; shift ;;
    *) die "unknown option $1; usage: deploy/uninstall.sh [--purge] [--dry-run] [--root DIR]" ;;
    esac
    shift
done
[ "$dry" ] || [ "$(id -u)" = 0 ] || die "run as root: sudo deploy/uninstall.sh"

units='lintel-screen.service lintel-vision.service lintel-net.service lintel-door.service'
# shellcheck disable=SC2086
if [ ! -e "$root/etc/systemd/system/lintel-door.service" ]; then
    echo "The services are not installed."
elif [ "$root" ]; then
    do_ systemctl --quiet "--root=$root" disable $units
elif [ -d /run/systemd/system ]; then
    do_ systemctl --quiet disable --now $units
else
    do_ systemctl --quiet disable $units
fi

for unit in $units; do do_ rm -f "$root/etc/systemd/system/$unit"; done
do_ rm -f "$root/etc/sysusers.d/lintel.conf" "$root/etc/udev/rules.d/70-lintel.rules" \
    "$root/etc/systemd/system.conf.d/lintel-watchdog.conf" "$root/etc/tmpfiles.d/lintel.conf" "$root/usr/local/bin/lintel"
do_ rm -rf "$root/opt/lintel" "$root/opt/lintel-releases" "$root/usr/local/share/doc/lintel"
if [ -z "$root" ] && [ -d /run/systemd/system ]; then do_ systemctl daemon-reload; fi

boot=$root/boot/firmware/config.txt
if [ -e "$boot" ] && grep -q '^# BEGIN lintel$' "$boot"; then
    new=$(mktemp)
    awk '/^# BEGIN lintel$/ { skip = 1 } !skip { print } /^# END lintel$/ { skip = 0 }' "$boot" >"$new"
    do_ cp "$new" "$boot.new"
    do_ mv "$boot.new" "$boot"
    rm -f "$new"
    echo "Boot lines removed: after the next reboot nothing holds the relay's line at rest."
fi

if [ "$purge" ]; then
    do_ rm -rf "$root/var/lib/lintel" "$root/etc/lintel" "$root/etc/credstore.encrypted/lintel.device-key"
    for user in lintel-door lintel-vision lintel-net; do
        # shellcheck disable=SC2086
        if grep -q "^$user:" "$root/etc/passwd"; then do_ userdel ${root:+--root "$root"} "$user"; fi
    done
else
    echo "Kept: $root/var/lib/lintel (people, events, device key) and $root/etc/lintel. --purge removes them."
fi
