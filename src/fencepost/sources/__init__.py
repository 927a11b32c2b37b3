"""Other streams in: files and replays."""
