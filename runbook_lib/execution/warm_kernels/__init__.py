"""Warm kernels: forked from a process in which the libraries are loaded already."""
