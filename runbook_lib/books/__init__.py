"""Procedures of particular books; nothing here is generic."""
