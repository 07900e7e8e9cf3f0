"""Background work: worker loops, and what becomes of an item that cannot be worked on."""
