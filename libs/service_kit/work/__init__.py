"""Background work: worker loops, and the handling of items that fail."""
