"""Bytes → rows: encoding, dialect, spans, mapping, validation.

Knows nothing but values: no AWS, no HTTP, no vendor. The way of a file:

`dialect.detect` reads the start of the file; `mapping.compile_mapping` binds its header to
the profile; `reader.read_rows` turns bytes into numbered rows; `planner.plan` checks them and
cuts chunks, with `seen.SeenKeys` for repeats; `records.read_records` turns the spans of one
chunk into what is sent. `formula_injection` keeps spreadsheets from running cells of result files.
"""
