"""End a child process in time: ask it to exit, wait for its grace period, then kill it; it is always reaped."""

from __future__ import annotations

import contextlib
import subprocess

__all__ = ["communicate_or_kill", "terminate", "wait_or_kill"]


def terminate(process: subprocess.Popen[bytes], grace_period: float) -> int:
    """Send TERM to a child process, wait, and kill it if it has not exited by then.

    Args:
        process: The child process.
        grace_period: Seconds, one of `runbook_lib.grace_periods`.

    Returns:
        Its exit code; negative: the signal that ended it.
    """
    process.terminate()
    return wait_or_kill(process, grace_period)


def wait_or_kill(process: subprocess.Popen[bytes], grace_period: float) -> int:
    """Wait for a child process that is about to exit, and kill it if it has not exited by then.

    Args:
        process: The child process.
        grace_period: Seconds, one of `runbook_lib.grace_periods`.

    Returns:
        Its exit code; negative: the signal that ended it.
    """
    try:
        return process.wait(grace_period)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def communicate_or_kill(
    process: subprocess.Popen[bytes], data: bytes, grace_period: float
) -> tuple[bytes, bytes]:
    """Write the last input of a child process, close its input, and kill the process if it does not exit then.

    Args:
        process: The child process, with pipes.
        data: Its last input.
        grace_period: Seconds, one of `runbook_lib.grace_periods`.

    Returns:
        What it wrote to standard output and standard error that was not read before.
    """
    try:
        return process.communicate(data, timeout=grace_period)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(PermissionError):  # a process under sudo is root's
            process.kill()
    try:
        return process.communicate(timeout=grace_period)
    except subprocess.TimeoutExpired as late:
        # A process that it started keeps the pipes open.
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()
        process.poll()
        return late.output or b"", late.stderr or b""
