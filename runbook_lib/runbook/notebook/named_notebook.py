"""The notebook that a kernel runs, as far as the program that started the kernel names it."""

from __future__ import annotations

import os
from pathlib import Path

from runbook_lib.display import ipython_shell

__all__ = ["executes_a_file", "find_notebook"]

_JUPYTER_SESSION = "JPY_SESSION_NAME"  # set by Jupyter's server for a kernel: the notebook's path
_VS_CODE = "__vsc_ipynb_file__"  # set by VS Code among the notebook's variables
_IPYTHON = "__file__"  # set by `ipython book.ipynb` and `%run book.ipynb` while the cells run


def find_notebook() -> Path | None:
    """Return the notebook that this kernel runs, as the program that started the kernel names it; None if none does."""
    variables = ipython_shell.variables()
    for name in (variables.get(_IPYTHON), variables.get(_VS_CODE), os.environ.get(_JUPYTER_SESSION)):
        if isinstance(name, str) and name.endswith(".ipynb"):
            return Path(name).absolute()
    return None


def executes_a_file() -> bool:
    """Return whether IPython itself reads the cells from a notebook's file, so that its history has none of them."""
    return str(ipython_shell.variables().get(_IPYTHON, "")).endswith(".ipynb")
