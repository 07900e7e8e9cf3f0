"""Benchmarks: each measures in one run, beside a peer or a floor, and prints its figures last."""
