"""Readers of the inventories that people have: our own YAML, Ansible's, ssh_config, and programs that print JSON."""
