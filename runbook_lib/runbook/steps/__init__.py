"""One step on one host: session, recorder, lock, rollback, reboot, and what an earlier run has proven."""
