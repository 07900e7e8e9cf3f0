"""The outside world: PostgreSQL, HTTP and events."""
