"""Zendesk Support: bulk requests that answer with a job status."""
