"""The documentation site: `make docs` builds it from docs/, the notebooks and the docstrings."""
