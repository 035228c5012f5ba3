"""The practice hosts: containers and virtual machines."""
