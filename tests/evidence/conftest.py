from __future__ import annotations

from tests.report.conftest import cut, failed, failed_directory, planned, start_notebook, well

__all__ = ["cut", "failed", "failed_directory", "planned", "start_notebook", "well"]
