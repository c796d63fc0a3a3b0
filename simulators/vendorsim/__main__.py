"""`python -m vendorsim` is the command `vendorsim`."""

from __future__ import annotations

from vendorsim.main import main

main()
