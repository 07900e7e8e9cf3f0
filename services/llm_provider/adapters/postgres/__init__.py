"""The service's database: one file per port, statements and tables apart."""
