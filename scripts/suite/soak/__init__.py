"""A long steady load on the three services, and whether anything grows with it that should not."""
