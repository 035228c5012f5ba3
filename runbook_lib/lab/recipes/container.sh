
# A container: continues host.sh.
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

# What would look after hardware that is this machine's.
systemctl --root="$root" --quiet mask systemd-udevd.service systemd-udev-trigger.service console-getty.service
