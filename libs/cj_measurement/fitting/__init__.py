"""Abilities from comparisons: the Bradley–Terry posterior, its solver, and the classical fit of the field."""
