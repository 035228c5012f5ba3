"""Tap devices: network interfaces of this machine that a VM's emulator reads frames from and writes frames to."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

__all__ = ["TUN", "open_tap"]

TUN = Path("/dev/net/tun")
"""The kernel's file for tap devices."""
# linux/if_tun.h: frames without a header of tun's, with one of virtio's.
_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_IFREQ = struct.Struct("16sH22x")


def open_tap(name: str) -> int:
    """Create a tap device in this thread's network namespace; it exists as long as a process has it open.

    Args:
        name: The interface's name, at most 15 bytes.

    Returns:
        The open descriptor, which is closed when another program is executed.

    Raises:
        OSError: The kernel has no tap devices, or the name is in use.
    """
    descriptor = os.open(TUN, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, _IFREQ.pack(name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
