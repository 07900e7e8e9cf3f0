"""How far scores would move with other decisions: random halves and bootstrap resamples."""
