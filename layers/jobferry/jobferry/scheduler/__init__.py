"""When to submit, poll and wait: pure decisions (README.md has the model on one page)."""
