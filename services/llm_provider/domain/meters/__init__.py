"""How fast a model may be called: limits, circuit breakers, and what calls teach about both."""
