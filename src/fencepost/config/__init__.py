"""What the owner wrote: the only reader of configuration files."""
