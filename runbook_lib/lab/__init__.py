"""Real hosts on this machine to practise on: booted Debian systems on a network of their own.

    lab             up, status, reset, down: the whole          faults      break and mend it
    topology        the description, strictly read              host        what a host must do; containers
    network         namespaces, switch, cables                  supervisor  one container's life
    rootfs, images  built once, kept by cache                   packages, registry  what hosts fetch
    vm, qemu        a host with its own kernel                  disk, seed  what it starts from; what makes it that host
    accelerator     whether hardware virtualization works       reach, identity  where a host is; what it is called
    cgroups, places, state, ending   how everything is found again and ended

From Python: `from runbook_lib.lab.lab import Lab`; in tests: `runbook_lib.lab.testing.running_lab`.
"""
