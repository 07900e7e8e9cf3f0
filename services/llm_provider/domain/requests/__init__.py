"""A request to judge one pair: what it asks, when its turn comes, and what of it can be stored."""
