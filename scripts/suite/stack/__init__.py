"""The embedded stack: the three services in one process, with a PostgreSQL of their own."""
