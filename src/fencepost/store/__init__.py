"""Where it stays: the journal of all that was said, and the control store of what came of it."""
