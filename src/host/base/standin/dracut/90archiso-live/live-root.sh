#!/bin/sh
# Finds the archiso medium and mounts its root image under an overlay.
#
#   archiso-live-root NEWROOT
#
# Kernel command line, as mkinitcpio-archiso: archisobasedir archisosearchuuid
# archisosearchfilename archisolabel archisodevice arch copytoram copytoram_size checksum
# cow_spacesize cow_label cow_device cow_directory cow_flags rootdelay.

NEWROOT=$1
RUN=/run/archiso

# shellcheck disable=SC1091
. /lib/dracut-lib.sh

# the value of parameter $1, or the default $2
param() {
    value=$(getarg "$1=") && [ -n "$value" ] && printf '%s' "$value" && return
    printf '%s' "$2"
}

# whole seconds since the kernel started
uptime_s() {
    cut -d. -f1 /proc/uptime
}

# a line on every console; the screen and the serial line may be two people
say() {
    read -r consoles < /sys/class/tty/console/active
    for console in $consoles; do
        printf '%s\r\n' "archiso: $*" > "/dev/$console"
    done 2> /dev/null
}

fail() {
    say "======================================================================"
    say "The root file system could not be mounted."
    for line; do
        say "$line"
    done
    say "======================================================================"
    exit 1
}

# the root image below the mounted medium, empty if there is none
image_on_medium() {
    for name in airootfs.sfs airootfs.erofs; do
        if [ -f "$RUN/bootmnt/$basedir/$arch/$name" ]; then
            printf '%s' "$RUN/bootmnt/$basedir/$arch/$name"
            return
        fi
    done
}

# Mounts device $1 as the medium; with $2, only if that file is on it. The disks of others are tried as
# well, and a journal is not replayed: that would write to them.
try_device() {
    case $(blkid -p -s TYPE -o value -- "$1" 2> /dev/null) in
        # nothing, or a disk with partitions
        '') return 1 ;;
        ext3 | ext4) options=ro,noload ;;
        *) options=ro ;;
    esac
    mount -o "$options" -- "$1" "$RUN/bootmnt" 2> /dev/null || return 1
    if [ -n "$(image_on_medium)" ] && { [ -z "$2" ] || [ -e "$RUN/bootmnt/$2" ]; }; then
        medium=$(readlink -f "$1")
        return 0
    fi
    umount "$RUN/bootmnt"
    return 1
}

# block devices that may be a medium: removable ones ($1 = 1) or fixed ones ($1 = 0)
candidates() {
    for sys in /sys/class/block/*; do
        name=${sys##*/}
        case $name in
            loop* | ram* | zram* | dm-* | md* | fd*) continue ;;
        esac
        disk=$sys
        [ -e "$sys/partition" ] && disk=$(readlink -f "$sys")/..
        removable=$(cat "$disk/removable" 2> /dev/null)
        [ "${removable:-0}" = "$1" ] && printf '/dev/%s\n' "$name"
    done
}

scan_for_file() {
    for removable in 1 0; do
        for candidate in $(candidates $removable); do
            scanned="$scanned $candidate"
            try_device "$candidate" "$searchfile" && return 0
        done
    done
    return 1
}

# Order of archiso: the UUID (or the device named otherwise) first, and only when it has not
# shown up for a while every device that carries the search file.
find_medium() {
    start=$(uptime_s)
    while :; do
        waited=$(($(uptime_s) - start))
        if [ -n "$device" ] && [ -b "$device" ] && try_device "$device" ""; then
            return 0
        fi
        if [ -n "$searchfile" ] && { [ -z "$device" ] || [ "$waited" -ge 4 ]; }; then
            scanned=
            scan_for_file && return 0
        fi
        [ "$waited" -ge "$patience" ] && return 1
        udevadm settle --timeout=1
        sleep 0.25
    done
}

wait_for_device() {
    start=$(uptime_s)
    while [ ! -b "$1" ]; do
        [ $(($(uptime_s) - start)) -ge "$patience" ] && return 1
        sleep 0.25
    done
}

wants_copy() {
    case $copytoram in
        y) return 0 ;;
        auto) ;;
        *) return 1 ;;
    esac
    case $medium in
        /dev/sr*) return 1 ;;
    esac
    size=$(($(stat -c %s "$image") / 1024))
    while read -r key free _; do
        [ "$key" = MemAvailable: ] && break
    done < /proc/meminfo
    [ "$size" -lt $((4 * 1024 * 1024)) ] && [ "$free" -gt $((size + 2 * 1024 * 1024)) ]
}

basedir=$(param archisobasedir arch)
arch=$(param arch "$(uname -m)")
searchuuid=$(param archisosearchuuid "")
searchfile=$(param archisosearchfilename "${searchuuid:+/boot/$searchuuid.uuid}")
label=$(param archisolabel "")
copytoram=$(param copytoram auto)
patience=$(param rootdelay 30)
cow_label=$(param cow_label "")
cow_device=$(param cow_device "${cow_label:+/dev/disk/by-label/$cow_label}")

if [ -n "$searchuuid" ]; then
    device=/dev/disk/by-uuid/$searchuuid
    wanted="UUID $searchuuid"
else
    device=$(param archisodevice "${label:+/dev/disk/by-label/$label}")
    case $device in
        UUID=* | LABEL=* | PARTUUID=* | PARTLABEL=*) device=$(label_uuid_to_dev "$device") ;;
    esac
    wanted=${device:-"any device"}
fi
if [ -z "$device" ] && [ -z "$searchfile" ]; then
    fail "The kernel command line names no medium: add archisosearchuuid=, archisosearchfilename=," \
        "archisolabel= or archisodevice=."
fi
for parameter in verify cms_verify; do
    if [ "$(param $parameter n)" = y ]; then
        fail "$parameter=y: this initramfs cannot check signatures; remove it, or use checksum=y."
    fi
done

for module in loop squashfs overlay isofs; do
    modprobe -q "$module"
done
mkdir -p "$RUN/bootmnt" "$RUN/airootfs" "$RUN/cowspace"

scanned=
if ! find_medium; then
    fail "Searched $patience s for: $wanted" \
        "then for the file: ${searchfile:-(none named)}" \
        "with the image:    /$basedir/$arch/airootfs.sfs (or .erofs)" \
        "on the devices:    ${scanned:- (none present)}" \
        "Is the medium still attached? Compare archisosearchuuid= with 'blkid'."
fi
image=$(image_on_medium)
say "root image $image on $medium"

if [ "$(param checksum n)" = y ]; then
    say "checking the root image (checksum=y)"
    folder=${image%/*}
    (cd "$folder" && sha512sum -c airootfs.sha512) > /dev/null 2>&1 \
        || fail "The checksum of $image is wrong or missing ($folder/airootfs.sha512):" \
            "the medium is damaged; write it again."
fi

if wants_copy; then
    say "copying the root image to memory (copytoram=$copytoram)"
    mkdir -p "$RUN/copytoram"
    mount -t tmpfs -o "size=$(param copytoram_size 75%),mode=0755" copytoram "$RUN/copytoram" \
        || fail "Mounting memory for the root image failed: is copytoram_size= a size?"
    cp -- "$image" "$RUN/copytoram/" \
        || fail "Copying $image to memory failed: not enough of it? Boot with copytoram=n."
    image=$RUN/copytoram/${image##*/}
    umount "$RUN/bootmnt"
fi

mount -o loop,ro -- "$image" "$RUN/airootfs" || fail "Mounting $image failed."

if [ -n "$cow_device" ]; then
    wait_for_device "$cow_device" || fail "The device for changes, $cow_device, did not show up."
    mount -o "$(param cow_flags defaults)" -- "$cow_device" "$RUN/cowspace" \
        || fail "Mounting $cow_device for changes failed."
else
    mount -t tmpfs -o "size=$(param cow_spacesize 256M),mode=0755" cowspace "$RUN/cowspace" \
        || fail "Mounting memory for changes failed: is cow_spacesize= a size?"
fi
cow=$RUN/cowspace/$(param cow_directory "persistent_$label/$arch")
mkdir -p "$cow/upperdir" "$cow/workdir"
mount -t overlay \
    -o "lowerdir=$RUN/airootfs,upperdir=$cow/upperdir,workdir=$cow/workdir" \
    airootfs "$NEWROOT" || fail "Mounting the overlay over $image failed."
