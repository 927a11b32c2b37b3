"""How our own programs talk to a running Fencepost: its HTTP API from the other side."""
