"""The history of the schema, oldest first in `versions/`: one file for each change that was shipped."""
