"""Benchmarks: each measures in one run, compared with a peer or a baseline, and prints its figures last."""
