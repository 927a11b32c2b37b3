"""What we do about messages: the loops that run decoders, the engine and the alert book together."""
