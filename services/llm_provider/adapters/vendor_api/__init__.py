"""What the adapters of several vendors share: HTTP, errors, rate limit headers, the answer's schema."""
