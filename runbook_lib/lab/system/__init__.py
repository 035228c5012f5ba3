"""What the lab needs of this machine: paths, control groups, package sources, subprocesses."""
