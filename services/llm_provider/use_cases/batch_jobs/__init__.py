"""Relaxed requests through the vendors' batch APIs."""
