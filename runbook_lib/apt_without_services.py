"""Install Debian packages on this machine without starting their services, whatever interrupts it.

A policy-rc.d(8) forbids to start them. It does so only while this process, or an apt-get that it has left behind, holds
a lock: a policy that a killed installation has left forbids nothing, and the next installation removes it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib import file_lock
from runbook_lib.errors import RequirementError
from runbook_lib.signal_handlers import STOP_SIGNALS, signal_handler

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["install_packages"]

_log = logging.getLogger(__name__)
_ROOT = Path("/")
_POLICY = "usr/sbin/policy-rc.d"
_LOCK = "run/runbook_lib-packages.lock"
_UNITS = "lib/systemd/system"
_SERVICES = (
    "apt-cacher-ng.service",
    "docker-registry.service",
    "grub-common.service",
    "networking.service",
    "nftables.service",
    "ssh.service",
)
_MADE_HERE = (
    "# Made by runbook_lib while it installs packages; without effect afterwards, and can be removed."
)
# 101: the action is forbidden. The lock is held if flock, which is in an essential package, cannot get it.
_POLICY_TEXT = f"#!/bin/sh\n{_MADE_HERE}\nflock --nonblock %s true && exit 0\nexit 101\n"
_OUTPUT_LINES = 5  # of apt-get's output in a message


def install_packages(packages: Sequence[str], *, root: Path = _ROOT) -> None:
    """Install packages with apt-get. Ctrl-C, SIGTERM and SIGHUP end it once no package is left half installed.

    Args:
        packages: Names of Debian packages.
        root: The directory below which policy, lock and units are; for tests.

    Raises:
        RequirementError: apt-get failed.
        KeyboardInterrupt: A signal has ended it.
    """
    with _exclusive(root / _LOCK) as lock:
        apt = _AptGet(lock)
        with apt.noting_signals(), _services_not_started(root):
            apt.run("update", "--quiet")
            options = ("--quiet", "--yes", "--no-install-recommends")
            # Apart from the installation, because it is what takes long, and can be interrupted without harm.
            apt.run("install", "--download-only", *options, *packages)
            apt.run("install", *options, *packages, interruptible=False)


class _AptGet:
    """apt-get, in a session of its own: what stops this process reaches it only in the way that it can bear.

    Args:
        lock: Descriptor of the lock, which apt-get keeps if this process is killed.
    """

    def __init__(self, lock: int) -> None:
        self._lock = lock
        self._running: subprocess.Popen[bytes] | None = None
        self._interruptible = True
        self._noted: list[int] = []

    @contextlib.contextmanager
    def noting_signals(self) -> Iterator[None]:
        """While the block runs, a signal that stops this process ends apt-get first; see `install_packages`."""
        in_main_thread = threading.current_thread() is threading.main_thread()
        numbers = [
            number
            for number in (*STOP_SIGNALS, signal.SIGHUP)
            if in_main_thread and signal.getsignal(number) is not signal.SIG_IGN
        ]
        with signal_handler(self._on_signal, *numbers):
            yield
        if self._noted:
            raise KeyboardInterrupt

    def run(self, *arguments: str, interruptible: bool = True) -> None:
        """Run apt-get.

        Args:
            arguments: Its arguments.
            interruptible: Whether a signal interrupts it; otherwise it runs to its end.

        Raises:
            RequirementError: It failed.
            KeyboardInterrupt: A signal has stopped this process, now or before.
        """
        if self._noted:
            raise KeyboardInterrupt
        command = ["apt-get", "-o", "DPkg::Lock::Timeout=300", *arguments]
        _log.info("running %s", " ".join(command))
        # Not a pipe: if this process is killed, apt-get must not fail for want of a reader.
        with tempfile.TemporaryFile() as output:
            self._interruptible = interruptible
            self._running = subprocess.Popen(
                command,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[self._lock],
            )
            if self._noted:  # by a signal that came while it started
                self._stop()
            code = self._running.wait()
            self._running = None
            output.seek(0)
            lines = output.read().decode(errors="replace").strip().splitlines()
        if self._noted:
            raise KeyboardInterrupt
        if code != 0:
            raise RequirementError(
                f"`{' '.join(command)}` failed with exit code {code}: {' | '.join(lines[-_OUTPUT_LINES:])}",
                hint="run the command by hand to see its full output",
            )

    def _on_signal(self, number: int, _frame: object) -> None:
        self._noted.append(number)
        self._stop()

    def _stop(self) -> None:
        if self._running is None:
            return
        if self._interruptible:
            self._running.send_signal(signal.SIGINT)
        else:
            _log.warning("waiting for apt-get to exit: packages would be left half installed")


@contextlib.contextmanager
def _exclusive(lock: Path) -> Iterator[int]:
    """Hold the lock, of which the block gets the descriptor, so that only one process installs packages."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not file_lock.acquire(descriptor, wait=False):
            _log.info("waiting for another process that installs packages")
            file_lock.acquire(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _services_not_started(root: Path) -> Iterator[None]:
    """Keep package scripts from starting daemons; a policy-rc.d of this machine's administrator stays in force."""
    units = root / _UNITS
    policy = root / _POLICY
    before = {unit for unit in _SERVICES if (units / unit).exists()}
    ours = not policy.exists() or _MADE_HERE in policy.read_text(encoding="utf-8", errors="replace")
    if ours:
        policy.write_text(_POLICY_TEXT % (root / _LOCK), encoding="utf-8")
        policy.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            policy.unlink(missing_ok=True)
        new = [unit for unit in _SERVICES if unit not in before and (units / unit).exists()]
        if new and shutil.which("systemctl"):
            # They must not start at the next boot either.
            subprocess.run(
                ["systemctl", "disable", "--quiet", *new],
                check=False,
                capture_output=True,
                start_new_session=True,
            )
