"""The project a command runs in, the files that come with this package, and the operator."""

from __future__ import annotations

import contextlib
import getpass
import os
from pathlib import Path

from runbook_lib.errors import InputError

__all__ = [
    "NOTEBOOKS",
    "bundled_top",
    "expanded",
    "find_shipped",
    "find_upwards",
    "notebooks_folder",
    "operator",
    "project_top",
    "shown_path",
    "unusable",
    "usable_path",
    "user_name",
]

_LONGEST = 200  # characters of a path in a message
NOTEBOOKS = "notebooks"
"""Name of the folder of a project's notebooks, by which the project is found."""


def project_top() -> Path:
    """Return the nearest directory, from the current one upwards, with a `notebooks` folder; else the current one."""
    for base in (Path.cwd(), *Path.cwd().parents):
        if (base / NOTEBOOKS).is_dir():
            return base
    return Path.cwd()


def bundled_top() -> Path:
    """Return the directory with the notebooks, parameters and image recipes that come with this package.

    In a wheel they are inside of the package; in a source tree they are the repository's own. They are only read.
    """
    package = Path(__file__).parent
    installed = package / "bundled"
    return installed if installed.is_dir() else package.parent


def notebooks_folder() -> Path:
    """Return the folder of the project's notebooks; where there is no project, of those that come with this package."""
    own = project_top() / NOTEBOOKS
    return own if own.is_dir() else bundled_top() / NOTEBOOKS


def expanded(path: str | Path) -> Path:
    """Return a path that a person wrote with `~` or `~user` replaced by the home directory.

    Args:
        path: The path.

    Raises:
        InputError: No such user is known here.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as unknown:
        raise InputError(
            f"{Path(path).parts[0]!r} has no home directory on this machine",
            where=str(path),
            hint="write the whole path",
        ) from unknown


def usable_path(path: str | Path) -> Path:
    """Return a path that a person wrote, if this process can find out whether something is there.

    Args:
        path: The path; `~` and `~user` are home directories.

    Raises:
        InputError: A directory in it is closed to this user, no file can have such a name, or no such user is known.
    """
    found = expanded(path)
    try:
        found.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return found
    except (OSError, ValueError) as problem:  # ValueError: a null character
        raise unusable(path, problem) from problem
    return found


def unusable(path: str | Path, problem: Exception) -> InputError:
    """Return the error for a path that cannot even be looked at.

    Args:
        path: The path.
        problem: What the system says of it.
    """
    return InputError(
        f"cannot be used: {problem.strerror if isinstance(problem, OSError) else problem}",
        where=str(path)[:_LONGEST],
        hint="check the path, and who may open the directories in it",
    )


def find_upwards(path: str | Path) -> Path:
    """Resolve a relative path against the current directory or the nearest parent directory that contains it.

    A notebook runs from the project's top under papermill and from `notebooks/` in JupyterLab;
    the same relative path must work in both. A path that does not exist anywhere is returned unchanged.

    Args:
        path: The path; `~` and `~user` are home directories.

    Raises:
        InputError: No such user is known here.
    """
    given = expanded(path)
    if given.is_absolute():
        return given
    for base in (Path.cwd(), *Path.cwd().parents):
        with contextlib.suppress(OSError, ValueError):  # a path that cannot be looked at is not found there
            if (base / given).exists():
                return base / given
    return given


def find_shipped(path: str | Path) -> Path:
    """Resolve a relative path as `find_upwards` does, and else among the files that come with this package.

    So the practice hosts, and the book's parameters files, are there in any directory after `pip install`.
    """
    found = find_upwards(path)
    shipped = bundled_top() / expanded(path)
    return shipped if not found.exists() and shipped.exists() else found


def shown_path(path: Path) -> Path:
    """Return an absolute path as a person would give it here: relative to the current directory if it is below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def operator() -> str:
    """Return the user who runs this process, as `alice as root` under sudo."""
    user = user_name()
    behind = os.environ.get("SUDO_USER")
    return f"{behind} as {user}" if behind and behind != user else user


def user_name() -> str:
    """Return the name of the user who runs this process; `uid 1234` for one without a name, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
