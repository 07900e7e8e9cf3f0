"""An assignment on disk: its description, texts and anchors, read and checked."""
