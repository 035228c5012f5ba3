"""The kinds of lab hosts: containers, virtual machines, and what other packages add."""
