"""How bytes of strangers come in: entrances with limits, TLS, file descriptors."""
