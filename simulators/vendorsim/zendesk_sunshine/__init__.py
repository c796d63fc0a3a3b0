"""Zendesk Sunshine: jobs on the records of legacy custom objects."""
