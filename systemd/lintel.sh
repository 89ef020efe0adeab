#!/bin/sh
# /usr/local/bin/lintel: the administrator's command on an installed appliance.
# What it makes is for the services' group, never for others.
umask 0007
sealed=/etc/credstore.encrypted/lintel.device-key
if [ -e "$sealed" ] && [ "$(id -u)" = 0 ]; then
    # Only systemd can open a sealed key, and it does so for services.
    exec systemd-run --quiet --collect --wait --pipe --same-dir --property=UMask=0007 \
        --property=LoadCredentialEncrypted=device-key:lintel.device-key /opt/lintel/bin/lintel "$@"
fi
exec /opt/lintel/bin/lintel "$@"
