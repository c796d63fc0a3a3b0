"""What people ask for: abort, priority, pause and resume, retry, rerun, resolve, delete, status."""
