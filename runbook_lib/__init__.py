"""Executable runbooks: notebooks that carry out procedures on real hosts and leave evidence."""

__version__ = "0.1.0"
