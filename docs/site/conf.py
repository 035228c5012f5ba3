"""Sphinx's configuration of the site; see https://www.sphinx-doc.org/en/master/usage/configuration.html."""

from __future__ import annotations

import re
from typing import Any

project = "Executable runbooks"
project_copyright = ""
root_doc = "index"
exclude_patterns = ["docs/site"]
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

myst_heading_anchors = 4
nb_execution_mode = "off"  # notebooks are shown as they are committed, without outputs
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # no widgets, so no scripts from other machines

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
add_module_names = False
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_domain_indices = False
html_show_sphinx = False
html_show_copyright = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
html_theme_options = {"navigation_with_keys": False}

_BACKTICKS = re.compile(r"(?<![`\w:])`([^`\n]+(?:\n[^`\n]+)?)`(?![`\w])")


def _markdown_code(_app: Any, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:  # noqa: ANN401 - Sphinx's signature
    """Mark code as reStructuredText does: the docstrings write it as Markdown does, with one backtick."""
    text = _BACKTICKS.sub(lambda match: f"``{match[1].strip()}``", "\n".join(lines))
    lines[:] = text.split("\n")


def setup(app: Any) -> None:  # noqa: ANN401 - Sphinx has no types here
    """Connect to Sphinx's events."""
    app.connect("autodoc-process-docstring", _markdown_code, priority=400)  # before napoleon's, at 500
