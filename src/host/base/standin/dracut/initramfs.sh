#!/bin/sh
# Runs inside the composition: makes the one initramfs of the stand-in image.
# No systemd in it (smaller, and quicker to the root), nothing of the host it is made on.
set -eu

kernel=$(ls /usr/lib/modules)
# the same bytes whoever composes: files of root, and no device nodes, which only root can make
# (the kernel's devtmpfs has them before anything needs them)
chown -R root:root /usr/lib/dracut/modules.d/90archiso-live
export DRACUT_NO_MKNOD=1
dracut --force --quiet --no-hostonly --no-hostonly-cmdline --no-early-microcode --reproducible \
    --modules "dash archiso-live" --zstd --kver "$kernel" /boot/initramfs-linux.img
chmod 644 /boot/initramfs-linux.img
