"""What was said: bytes to model values and back. Pure: no I/O, no clock, and no word of the engine."""
