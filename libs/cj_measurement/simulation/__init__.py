"""Simulated judging from known abilities: what a pairing policy reaches, and what reaching a target takes."""
