"""What it means: events in, outcomes out. Pure: no I/O, and time is an argument."""
