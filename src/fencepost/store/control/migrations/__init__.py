"""
The history of the schema: one file in `versions/` for each change that was shipped, written by hand.

A change begins in `tables.py`; tests/store/control/test_schema.py then says what a new file must do. A file
that was shipped is never edited.
"""
