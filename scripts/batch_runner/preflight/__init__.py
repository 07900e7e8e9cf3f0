"""cj-run preflight: what a run needs, tried one thing at a time before anything is sent or paid for."""
