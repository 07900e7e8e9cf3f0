"""The service's database: one transaction, its statements and tables apart."""
