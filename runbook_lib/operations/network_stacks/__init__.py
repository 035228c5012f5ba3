"""A bridge on each network stack, and editors of that stack's files; `operations/bridge.py` chooses one."""
