"""Lessons in JupyterLab: working copies of the notebooks, a first page, the server, and the learner's progress."""
