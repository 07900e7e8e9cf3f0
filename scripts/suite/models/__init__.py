"""``cj-suite models``: which models may judge, what they take and cost, and whether that is still true."""
