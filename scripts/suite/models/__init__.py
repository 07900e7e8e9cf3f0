"""``cj-suite models``: the models that can judge, their parameters and prices, and whether these are up to date."""
