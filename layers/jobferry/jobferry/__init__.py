"""Jobferry: the rows of a CSV through a vendor's bulk-job API, one outcome per row.

Imports point one way: handlers → steps → (vendors, store, csvfile, the scheduler) → model.
"""

__version__ = "0.1.0"
