"""A run from its first upload to its end."""
