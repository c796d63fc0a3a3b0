"""A profile, an operation and a file, bound together: which cell goes into which field."""
