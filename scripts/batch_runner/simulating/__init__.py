"""Simulated judging: what pairing policies reach, and what a target takes."""
