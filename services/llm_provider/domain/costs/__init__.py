"""What calls cost, and sums of it."""
