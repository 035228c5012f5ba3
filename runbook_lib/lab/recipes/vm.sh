
# A VM: continues host.sh.
: >"$root/etc/machine-id" # empty: the next boot makes one
echo "UUID=$disk / ext4 errors=remount-ro 0 1" >"$root/etc/fstab"

# As Debian's own cloud images have it: menu and kernel on the serial console too.
cat >"$root/etc/default/grub" <<'EOT'
GRUB_DEFAULT=0
GRUB_TIMEOUT=1
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200"
GRUB_TERMINAL="console serial"
GRUB_SERIAL_COMMAND="serial --speed=115200"
EOT

# The first boot carries on with this, as init.
cat >"$root/usr/local/sbin/lab-finish" <<'EOT'
#!/bin/sh
# Make the disk boot by itself: an initramfs for this machine only, GRUB in the boot sector, its menu.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive
mountpoint -q /proc || mount -t proc proc /proc
mountpoint -q /sys || mount -t sysfs sysfs /sys
printf 'MODULES=dep\nCOMPRESS=lz4\n' >/etc/initramfs-tools/conf.d/lab
: >/etc/initramfs-tools/modules
update-initramfs -u && grub-install /dev/vda && update-grub &&
    echo 'grub-pc grub-pc/install_devices multiselect /dev/vda' | debconf-set-selections &&
    sync && mount -o remount,ro / && echo 'lab-finish: done'
echo o >/proc/sysrq-trigger
while :; do :; done
EOT
chmod 0755 "$root/usr/local/sbin/lab-finish"

# What makes this host this host comes on a second disk, a plain tar archive.
cat >"$root/usr/local/sbin/lab-seed" <<'EOT'
#!/bin/sh
set -eu
tar --extract --file=/dev/vdb --directory=/ --preserve-permissions --numeric-owner --no-overwrite-dir
cat /etc/hostname >/proc/sys/kernel/hostname
rm -f /usr/local/sbin/lab-finish
touch /etc/lab-seeded
sync
EOT
chmod 0755 "$root/usr/local/sbin/lab-seed"
cat >"$root/etc/systemd/system/lab-seed.service" <<'EOT'
[Unit]
Description=Become this host of the lab
DefaultDependencies=no
Requires=systemd-remount-fs.service
After=systemd-remount-fs.service
Before=sysinit.target systemd-udevd.service systemd-udev-trigger.service
ConditionPathExists=!/etc/lab-seeded

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/lab-seed

[Install]
WantedBy=sysinit.target
EOT
systemctl --root="$root" --quiet enable lab-seed.service
