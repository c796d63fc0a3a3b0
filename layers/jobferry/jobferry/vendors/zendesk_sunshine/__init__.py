"""Zendesk Sunshine: batch jobs of legacy custom objects."""
