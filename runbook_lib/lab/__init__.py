"""Practice hosts on this machine: booted Debian systems on a network of their own.

    lab             the lab as a whole: up, status, reset, down    faults      inject faults and repair them
    topology        the hosts as described in a file               state       the lab as it is, in a file
    assembly        build, add and start hosts                     teardown    end everything and check that
    switch          network namespaces, bridges, cables                        nothing remains
    ssh_keys, ssh_endpoint, inventory_file                         how hosts are reached
    hosts           the kinds of hosts: container, vm, and those of other packages (entry points)
    services        package cache, image registry, images
    system          paths, control groups, subprocesses, apt sources, build cache

From Python: `from runbook_lib.lab.lab import Lab`; in tests: `runbook_lib.lab.testing.running_lab`.
"""
