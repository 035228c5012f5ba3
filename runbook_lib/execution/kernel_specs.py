"""Find the kernel that a notebook names, in the directories in which Jupyter looks for kernels."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from runbook_lib.errors import InputError
from runbook_lib.known_names import did_you_mean
from runbook_lib.project import expanded

if TYPE_CHECKING:
    from jupyter_client.kernelspec import KernelSpecManager

__all__ = ["check_kernel", "kernel_specs", "runs_this_python"]

_NATIVE = "python3"  # ipykernel's own, which needs no directory


def kernel_specs() -> KernelSpecManager:
    """Return Jupyter's manager of kernel specs; jupyter_client would load all of IPython to find the last directory."""
    from jupyter_client.kernelspec import KernelSpecManager  # noqa: PLC0415 - slow to load
    from jupyter_core.paths import jupyter_path  # noqa: PLC0415 - as above

    own = expanded(os.environ.get("IPYTHONDIR") or "~/.ipython")
    return KernelSpecManager(kernel_dirs=[*jupyter_path("kernels"), str(own / "kernels")])


def check_kernel(name: object, where: str) -> None:
    """Refuse a notebook whose kernel is not installed.

    Args:
        name: As the notebook names it; nothing: Python's own kernel is used.
        where: The notebook.

    Raises:
        InputError: There is no such kernel.
    """
    if not name or name == _NATIVE:
        return
    from jupyter_client.kernelspec import NoSuchKernel  # noqa: PLC0415 - as above

    installed = kernel_specs()
    try:
        installed.get_kernel_spec(str(name))
    except NoSuchKernel as missing:
        known = sorted(installed.find_kernel_specs())
        raise InputError(
            f"no kernel named {name!r} is installed",
            where=f"{where}, metadata.kernelspec",
            hint=f"{did_you_mean(str(name), known)}choose a kernel in JupyterLab, or remove metadata.kernelspec; "
            f"installed: {', '.join(known) or 'none'}",
        ) from missing


def runs_this_python(name: object) -> bool:
    """Return whether a kernel's Python is the one of this process, as far as its kernel spec shows.

    Args:
        name: The name of an installed kernel, as the notebook names it; nothing: Python's own kernel is used.
    """
    if not name or name == _NATIVE:
        return True
    command = (kernel_specs().get_kernel_spec(str(name)).argv or [""])[0]
    # Jupyter starts its own Python in place of these.
    own = {"python", f"python{sys.version_info[0]}", f"python{sys.version_info[0]}.{sys.version_info[1]}"}
    return command in own or os.path.realpath(command) == os.path.realpath(sys.executable)
