"""cj-suite: the whole suite on one machine, and what is generated from it."""
