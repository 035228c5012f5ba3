#!/bin/sh
# mmdebstrap's customize hook: turns a minimal Debian into a host of the lab. $1 is its root directory.
set -eu
root=$1

useradd --root "$root" --create-home --shell /bin/bash --uid 1000 ops
useradd --root "$root" --create-home --shell /bin/bash --uid 1001 guest
echo 'ops ALL=(ALL:ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/ops"
chmod 0440 "$root/etc/sudoers.d/ops"

# Fresh for each lab and host: written when a host starts.
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/machine-id" "$root/etc/hostname" "$root/etc/resolv.conf"
rm -f "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/* "$root"/etc/apt/apt.conf.d/99mmdebstrap
: >"$root/etc/resolv.conf"

cat >"$root/etc/ssh/sshd_config.d/lab.conf" <<'EOF'
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
PermitRootLogin no
EOF

# systemd-nspawn leaves cgroup v1 mounts read-only; Docker must write to them. With v2 there is nothing to do.
cat >"$root/usr/local/sbin/lab-cgroups" <<'EOF'
#!/bin/sh
for directory in /sys/fs/cgroup/*/; do
    [ -w "$directory" ] || mount -o remount,bind,rw "$directory" || exit 1
done
EOF
chmod 0755 "$root/usr/local/sbin/lab-cgroups"
cat >"$root/etc/systemd/system/lab-cgroups.service" <<'EOF'
[Unit]
Description=Make the cgroup v1 hierarchies writable
DefaultDependencies=no
Before=sysinit.target
ConditionPathExists=!/sys/fs/cgroup/cgroup.controllers

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/lab-cgroups

[Install]
WantedBy=sysinit.target
EOF
systemctl --root="$root" --quiet enable lab-cgroups.service
systemctl --root="$root" --quiet set-default multi-user.target

# What would wake up in the middle of a runbook, or look after hardware that is this machine's.
systemctl --root="$root" --quiet mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer systemd-udevd.service systemd-udev-trigger.service console-getty.service
