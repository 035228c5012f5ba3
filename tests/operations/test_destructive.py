"""Which shell commands a person is asked about before they are sent."""

from __future__ import annotations

import pytest

from runbook_lib.operations.destructive import destructive_part


@pytest.mark.parametrize(
    ("script", "part"),
    [
        ("df -h /boot; sudo rm -rf /boot/old", "rm -rf /boot/old"),
        ("sudo -n rm --recursive x", "rm --recursive x"),
        ("if true; then rm -f x; fi", "rm -f x"),
        ("rm\\\n -r x", "rm -r x"),
        ("sh -c 'rm -rf /'", "rm -rf /"),
        ("uptime && reboot", "reboot"),
        ("cat <<END\nreboot\nEND", "reboot"),
        ("sudo systemctl stop docker | cat", "systemctl stop docker"),
        ("ip link set em1 down", "ip link set em1 down"),
        ("ip -4 addr flush dev em1", "ip -4 addr flush dev em1"),
        ("sudo iptables -F", "iptables -F"),
        ("nft flush ruleset", "nft flush ruleset"),
        ("docker rm redis; docker ps", "docker rm redis"),
        ("docker volume prune", "docker volume prune"),
        ("dd if=/dev/zero of=/dev/sda", "dd if=/dev/zero of=/dev/sda"),
        ("echo x > /dev/sda", "> /dev/sda"),
        ("mkfs.ext4 /dev/sdb", "mkfs.ext4 /dev/sdb"),
        ("find / -name x -delete", "find / -name x -delete"),
        ("apt-get -y purge docker.io", "apt-get -y purge docker.io"),
        ("apt-get -y --option=Dpkg::Use-Pty=0 autoremove", "apt-get -y --option=Dpkg::Use-Pty=0 autoremove"),
        ("dpkg --purge docker.io", "dpkg --purge docker.io"),
        ("dpkg -P docker.io", "dpkg -P docker.io"),
        ("sudo dnf -y remove docker-ce", "dnf -y remove docker-ce"),
        ("rpm -ev docker-ce", "rpm -ev docker-ce"),
        ("sudo zypper --non-interactive rm docker", "zypper --non-interactive rm docker"),
        ("zypper remove docker", "zypper remove docker"),
        ("pacman --noconfirm -Rns docker", "pacman --noconfirm -Rns docker"),
        ("apk del docker", "apk del docker"),
        ("kill 1", "kill 1"),
    ],
)
def test_what_destroys_is_found(script: str, part: str) -> None:
    assert destructive_part(script) == part


@pytest.mark.parametrize(
    "script",
    [
        "",
        "rm one.txt",
        "echo 'rm -rf /'",
        'echo "reboot; reboot"',
        "# rm -rf /\nls",
        "last reboot",
        "ls >/dev/null 2>/dev/null",
        "systemctl status docker",
        "grep shutdown /var/log/syslog",
        "journalctl -u docker --no-pager | tail",
        "ip addr show; ip -br link; ip route",
        "iptables -L; nft list ruleset",
        "docker run --rm busybox true; docker ps",
        "dd if=/dev/zero count=1 | wc -c",
        "cat firmware; ls /etc/rm -l",
        "zypper search rm; pacman -Qi docker; apk info; rpm -qa; dpkg -l; apt list --installed",
    ],
)
def test_what_looks_is_not(script: str) -> None:
    assert destructive_part(script) == ""
