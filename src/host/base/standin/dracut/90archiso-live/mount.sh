#!/bin/sh
# Sourced by dracut's init: mounts the live root, or says on every console why not.
# getargbool and emergency_shell come from dracut-lib.sh, NEWROOT from init.

if ! /usr/sbin/archiso-live-root "$NEWROOT"; then
    if getargbool 1 rd.shell; then
        emergency_shell "no root file system: see the message above"
    else
        sleep 10
        # dracut's base carries no reboot program; the kernel's own way needs none
        echo b > /proc/sysrq-trigger
    fi
fi
