"""The outside world: PostgreSQL, HTTP and the judges, one file each."""
