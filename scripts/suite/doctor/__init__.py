"""cj-suite doctor: what an installation needs, tried one thing at a time."""
