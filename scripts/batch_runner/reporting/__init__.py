"""What a run shows: on the terminal and in its files."""
