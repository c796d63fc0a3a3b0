"""The report of one run: a single HTML page for the person who dropped the file.

The page is self-contained (inline CSS and SVG, no script, no external resource, and a content
security policy that says so), readable in print, in the dark, on a phone and without colour.
"""

from __future__ import annotations

from jobferry.reporting.html.model import Cell, ErrorGroup, RunReport, Sample, TimelinePoint
from jobferry.reporting.html.page import render_report

__all__ = ["Cell", "ErrorGroup", "RunReport", "Sample", "TimelinePoint", "render_report"]
