#!/bin/bash
# dracut module: boots a medium laid out by archiso, from archiso's kernel command line.
# Kernel modules are named here one by one (no kernel-modules, no host-only guessing): every disk
# a VPS or a test machine may have, and none of the rest.

# dracut calls these functions and gives them $moddir.
# shellcheck disable=SC2154

check() {
    # only when asked for by name
    return 255
}

depends() {
    echo base udev-rules
}

installkernel() {
    # what a medium may be: file systems, their character sets, the loop device, the overlay
    instmods overlay squashfs erofs loop isofs vfat ext4
    instmods nls_ascii nls_cp437 nls_iso8859-1 nls_utf8
    # buses and disks
    instmods "=drivers/ata" "=drivers/nvme/host" "=drivers/virtio"
    instmods virtio_blk virtio_scsi sd_mod sr_mod cdrom sg
    instmods usb-storage uas xhci-pci ehci-pci ohci-pci uhci-hcd
    instmods hv_vmbus hv_storvsc vmw_pvscsi mptspi mptsas mptscsih xen-blkfront xen-scsifront
    instmods megaraid_sas mpt3sas hpsa aacraid smartpqi sym53c8xx BusLogic lsi_logic
    instmods mmc_block sdhci-pci sdhci-acpi
    # a keyboard for the emergency shell
    instmods usbhid hid-generic hyperv-keyboard atkbd i8042
}

install() {
    inst_multiple blkid cat cp cut losetup mkdir mount readlink sha512sum sleep stat umount uname
    inst_hook cmdline 30 "$moddir/cmdline.sh"
    inst_hook mount 30 "$moddir/mount.sh"
    inst_script "$moddir/live-root.sh" /usr/sbin/archiso-live-root
}
