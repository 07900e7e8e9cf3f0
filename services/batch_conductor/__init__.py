"""Batch Conductor: decides which phases a batch may go through, and which it has behind it."""
