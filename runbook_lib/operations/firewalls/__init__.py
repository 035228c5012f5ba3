"""A rule on each packet filter; `operations/firewall.py` chooses one."""
