"""Azure's own dialects, for tools that know nothing of us."""
