# Make a root file system of the tar archive on standard input, inside the disk that standard output is.
# In namespaces of its own: what is unpacked is gone with this process. $1 offset, $2 KiB, $3 UUID.
set -eu
exec 3>&1 >&2
mount -t tmpfs -o mode=755 tmpfs /mnt
tar --extract --preserve-permissions --numeric-owner --directory=/mnt --exclude='./dev/*'
# What the GRUB and e2fsck of the distribution may not know yet is left out.
mke2fs -q -t ext4 -U "$3" -O '^orphan_file,^metadata_csum_seed' -E "offset=$1,root_owner=0:0" -d /mnt \
    /proc/self/fd/3 "$2k"
