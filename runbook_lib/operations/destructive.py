"""Recognize shell commands that destroy something, or cut a host off: a person is asked before they are sent. Pure.

It is a seat belt, not a wall: a script can do harm in many other ways.
"""

from __future__ import annotations

import re

__all__ = ["REMOVES_PACKAGES", "destructive_part"]

_WORDS = r"(?:-\S+\s+)*"
REMOVES_PACKAGES = {
    "debian": (
        rf"(?:apt|apt-get|aptitude)\s+{_WORDS}(?:remove|purge|autoremove|autopurge)\b",
        rf"dpkg\s+{_WORDS}(?:-r|-P|--remove|--purge)\b",
    ),
    "el": (rf"(?:dnf|yum)\s+{_WORDS}(?:remove|erase|autoremove)\b", rf"rpm\s+{_WORDS}(?:-e\w*|--erase)\b"),
    "suse": (rf"zypper\s+{_WORDS}(?:remove|rm)\b",),
    "arch": (rf"pacman\s+{_WORDS}(?:-\w*R\w*|--remove)\b",),
    "alpine": (rf"apk\s+{_WORDS}del\b",),
}
"""How packages are removed, by family of distributions; also families in which nothing can be installed here."""

_BEGIN = r"(?:^|[;&|({]|\b(?:then|do|else|exec|command|xargs|env|time|nohup)\s)\s*(?:sudo\s+(?:-\S+\s+)*)?"
_DESTRUCTIVE = (
    r"rm\s+(?:-\S+\s+)*-(?:[a-zA-Z]*[rRf]|-recursive|-force)\S*",
    r"(?:mkfs\S*|wipefs|blkdiscard|fdisk|sfdisk|parted|shred)\b",
    r"dd\b[^;&|\n]*\bof=",
    r"(?:shutdown|reboot|poweroff|halt|init\s+[016]|telinit\s+[016])\b",
    r"systemctl\s+(?:-\S+\s+)*(?:stop|restart|disable|mask|kill|isolate|reboot|poweroff|halt)\b",
    r"(?:kill|pkill|killall)\b",
    r"ip\s+(?:-\S+\s+)*(?:addr|address|a|route|r|link|l|neigh)\s+(?:del|delete|flush|replace|change)\b",
    r"ip\s+(?:-\S+\s+)*(?:link|l)\s+set\b[^;&|\n]*\bdown\b",
    r"(?:ifdown|ifconfig\s+\S+\s+down)\b",
    r"(?:iptables|ip6tables)\s+[^;&|\n]*(?:-F|--flush|-X|-P\s+\S+\s+DROP)\b",
    r"nft\s+(?:flush|delete|destroy)\b",
    r"docker\s+(?:(?:container|image|volume|network|system|builder)\s+)?(?:rm|rmi|prune|kill|stop)\b",
    r"(?:userdel|groupdel|deluser|delgroup)\b",
    *(pattern for patterns in REMOVES_PACKAGES.values() for pattern in patterns),
    r"(?:chmod|chown)\s+(?:-\S+\s+)*-\S*R\S*\s",
    r"truncate\b",
    r"(?:redis-cli|rediscli)\b[^;&|\n]*\b(?:flushall|flushdb|shutdown)\b",
    r"find\b[^;&|\n]*\s-delete\b",
)
_COMMANDS = re.compile(
    f"{_BEGIN}(?P<command>(?:{'|'.join(_DESTRUCTIVE)})[^;&|\\n]*)", re.MULTILINE | re.IGNORECASE
)
_ONTO_DEVICE = re.compile(r">\s*/dev/(?!null|zero|stdout|stderr|tty|fd/)\S+")
_QUOTED = re.compile(r"'[^']*'|\"(?:[^\"\\\\]|\\\\.)*\"")


def destructive_part(script: str) -> str:
    """Return the first command of a shell script that destroys something or cuts the host off; empty if none does.

    Args:
        script: For a POSIX shell.

    >>> destructive_part("df -h /boot; sudo rm -rf /boot/old")
    'rm -rf /boot/old'
    >>> destructive_part("echo 'rm -rf is dangerous'")
    ''
    """
    bare = "\n".join(line for line in script.splitlines() if not line.lstrip().startswith("#"))
    # What is quoted is data, unless a shell gets it: then its quotes are taken away.
    text = bare.replace("\\\n", " ")
    if not re.search(r"\b(?:ba|da|z|k)?sh\s+-\S*c\b|\beval\b|\bssh\b", text):
        text = _QUOTED.sub("Q", text)
    else:
        text = re.sub(r"['\"]", "\n", text)
    found = _COMMANDS.search(text)
    if found:
        return " ".join(found["command"].split())
    onto = _ONTO_DEVICE.search(text)
    return " ".join(onto[0].split()) if onto else ""
