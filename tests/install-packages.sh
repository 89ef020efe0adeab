#!/bin/sh
# install-packages.sh [--slow]: Debian packages for the tests. Without the right to install, it says what is
# missing and the tests concerned report themselves skipped.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
lists=$here/packages.txt
[ "${1:-}" = --slow ] && lists="$lists $here/packages-slow.txt"

command -v dpkg-query >/dev/null || { echo "Not a Debian system: tests that need its packages will be skipped."; exit 0; }
missing=
# shellcheck disable=SC2086 # a list of files, on purpose
for package in $(grep -hv '^#' $lists); do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    sudo=
elif sudo -n true 2>/dev/null; then
    sudo=sudo
else
    echo "Missing packages; the tests that need them will be skipped. To install: sudo apt-get install$missing"
    exit 0
fi
echo "Installing$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
{ $sudo apt-get update -qq && $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null; } ||
    echo "Could not install$missing; the tests that need them will be skipped."
