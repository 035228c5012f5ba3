"""How long to wait for something to end before it is killed or given up: every such time, in seconds, in one place.

They nest. When a run is interrupted, the command on the host, the commands that terminate it, the kernel, the fleet and
the process that started the fleet each wait for the one before. If an outer period ended first, it would kill the inner
one halfway. So each outer period is computed from the inner ones; `tests/test_grace_periods.py` checks that they nest.
"""

from __future__ import annotations

__all__ = [
    "BACKGROUND_CHAIN",
    "CELL_OUTPUT",
    "CGROUP_KILL",
    "CGROUP_REAP",
    "CGROUP_REMOVE",
    "COMMAND_AFTER_INTERRUPT",
    "COMMAND_AFTER_KILL",
    "COMMAND_AFTER_TERM",
    "COMMAND_START",
    "EXIT_STATUS",
    "EXIT_STATUS_AFTER_TIMEOUT",
    "FLEET",
    "FORK_SERVER",
    "FORK_TO_EXEC",
    "IDLE_WORKER",
    "KERNEL",
    "LESSON_SERVER",
    "LOCK_TAKEOVER",
    "LOGIN",
    "OVERDUE_CALL",
    "PERSISTENT_PROCESS",
    "PERSISTENT_PROCESS_ANSWER",
    "PROXY_COMMAND",
    "ROLLBACK",
    "RUN",
    "SESSION_END",
    "TERMINATION_COMMAND",
    "TERMINATION_COMMANDS",
]

# --- On the host -----------------------------------------------------------------------------------------------------

COMMAND_AFTER_INTERRUPT = 5.0
"""A running command may finish by itself after the run was interrupted; then it is terminated."""

COMMAND_START = 5.0
"""For a host to start a command, in addition to the time that the command may take; then the connection is closed."""

COMMAND_AFTER_TERM = 3
"""From TERM to KILL, for the processes of a command; whole seconds, because a POSIX shell counts them."""

COMMAND_AFTER_KILL = 2
"""From KILL until a process counts as still running; whole seconds, as above."""

TERMINATION_COMMAND = 4.0 * (COMMAND_AFTER_TERM + COMMAND_AFTER_KILL)
"""For each command that the library itself sends to terminate another one.

Must outlast TERM and KILL, with time to search /proc on a slow host between the two."""

TERMINATION_COMMANDS = 2 * TERMINATION_COMMAND
"""For both of them: one finds the session, one terminates it."""

EXIT_STATUS = 2.0
"""From the end of a command's output until its exit status arrives, or from its exit status to its last output."""

EXIT_STATUS_AFTER_TIMEOUT = 0.1
"""The same, for a command that may have exited just as its time was up."""

SESSION_END = 2.0
"""From the end of a command until sshd has ended its session, where MaxSessions leaves no room for another one."""

ROLLBACK = 60.0
"""For the rollback of a change on one host, and for the confirmation of one, once the run was interrupted or the
deadline has passed."""

OVERDUE_CALL = 1.0
"""From the deadline of an exchange with a host until the transport is closed under it, which ends any call into it."""

LOGIN = 30.0
"""For a host to answer a login, after the connection was made; directories of users can be slow."""

LOCK_TAKEOVER = 5
"""From the end of the process that held a host's lock until the lock is free; whole seconds, as above."""

PERSISTENT_PROCESS_ANSWER = LOCK_TAKEOVER + 25.0
"""For the first answer of a persistent process. Must outlast the takeover of a lock: the answer comes after it."""

PERSISTENT_PROCESS = 10.0
"""For a persistent process, such as the one that holds a host's lock, to exit after its release.

A process that takes longer is not killed: it has its last input, and it frees the lock as soon as it runs again."""

# --- On this machine -------------------------------------------------------------------------------------------------

PROXY_COMMAND = 2.0
"""From TERM to KILL, for an SSH proxy command."""

FORK_TO_EXEC = 2.0
"""From the fork of a child process until it executes its own program and closes the files of its parent."""

CELL_OUTPUT = 60.0
"""For the last outputs of a cell after its end; very large ones take some time."""

KERNEL = (
    COMMAND_AFTER_INTERRUPT
    + TERMINATION_COMMAND
    + TERMINATION_COMMANDS
    + 2 * (ROLLBACK + COMMAND_AFTER_INTERRUPT + TERMINATION_COMMANDS)
    + PERSISTENT_PROCESS
    + 3.0
)
"""From the interrupt of a kernel until it is killed.

Must outlast the step that it runs: the command's own time, its termination on the host (one `TERMINATION_COMMAND` more
if several commands were sent together and none of them ends), the rollback and the termination of a rollback command,
the same again for the transaction that the step belongs to, the release of the host's lock, and a few seconds to write
the evidence. Hosts of a step are stopped in parallel."""

RUN = KERNEL + 10.0
"""For a whole interrupted run. Must outlast its kernel, and then save the notebook, report and seal."""

LESSON_SERVER = 20.0
"""From TERM to KILL, for JupyterLab's server and its kernels, which have been interrupted before."""

IDLE_WORKER = 5.0
"""For a worker process without a job to exit."""

FLEET = RUN + IDLE_WORKER + 25.0
"""For all runs of an interrupted fleet. Must outlast each run and its worker; shared file systems are slow."""

FORK_SERVER = 5.0
"""From TERM to KILL, for the fork server of warm kernels."""

BACKGROUND_CHAIN = FLEET + FORK_SERVER + 5.0
"""For a `runbook run` process in the background. Must outlast its fleet, its fork server and its own exit."""

# --- In the lab ------------------------------------------------------------------------------------------------------

CGROUP_KILL = 10.0
"""For the killed processes of a control group to be gone."""

CGROUP_REAP = 2.0
"""For this machine's init to reap them."""

CGROUP_REMOVE = 5.0
"""For the kernel to release the empty control group."""
