"""Vidispine: one job per row."""
