"""`jobferry local`: the whole stack on this machine, on an embedded AWS emulator."""

from __future__ import annotations

from jobferry_cli.local.commands import local

__all__ = ["local"]
