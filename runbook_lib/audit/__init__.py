"""Runs read later: is the evidence whole, unchanged, signed, and the code the approved one."""
