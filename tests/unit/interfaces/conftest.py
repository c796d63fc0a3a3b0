from __future__ import annotations

from tests.unit.cli.conftest import csv_file, shell

__all__ = ["csv_file", "shell"]
