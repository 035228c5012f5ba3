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

systemctl --root="$root" --quiet set-default multi-user.target

# What would wake up in the middle of a runbook.
systemctl --root="$root" --quiet mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer
