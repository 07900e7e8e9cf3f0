"""The outside world: PostgreSQL, the LLM Provider, content, HTTP and events."""
