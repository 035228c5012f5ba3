"""pytest processes that tests start."""

from __future__ import annotations

__all__ = ["WITHOUT_UNUSED_PLUGINS"]

# Plugins that other packages bring along, and that take 1 to 4 s of processor time in each process: nbmake and nbval
# import nbformat, and Hypothesis its engine. The tests that are about one of them load it.
WITHOUT_UNUSED_PLUGINS = " ".join(
    f"-p no:{plugin}" for plugin in ("nbmake", "nbval", "hypothesispytest", "typeguard", "anyio")
)
