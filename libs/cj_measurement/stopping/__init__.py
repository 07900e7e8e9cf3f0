"""When to stop judging, and what further judging would bring."""
