"""A vendor as a document, without code of its own."""
