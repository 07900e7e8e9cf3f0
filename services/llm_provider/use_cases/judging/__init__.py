"""Calling judges and recording the calls."""
