"""The lab's use of this machine: paths, control groups, package sources, subprocesses."""
