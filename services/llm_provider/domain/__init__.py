"""What a judge request is, and how an answer is read, as plain functions and frozen values."""
