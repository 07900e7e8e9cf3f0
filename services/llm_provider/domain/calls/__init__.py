"""One call to a judge: its answer or error, whether it is repeated, and what others are told of it."""
