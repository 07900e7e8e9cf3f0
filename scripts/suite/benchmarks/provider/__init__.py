"""The LLM Provider's benchmark: how much of a vendor's rate limits it uses, and what it adds to a call."""
