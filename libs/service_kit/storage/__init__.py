"""PostgreSQL: the engine, transactions and migrations."""
