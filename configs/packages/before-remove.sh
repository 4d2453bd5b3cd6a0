#!/bin/sh
# deb calls it with "remove" or "upgrade", rpm with how many versions stay.
set -e
if [ -d /run/systemd/system ] && { [ "$1" = remove ] || [ "$1" = 0 ]; }; then
	systemctl disable --now dm3sync.service || true
fi
