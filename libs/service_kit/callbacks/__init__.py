"""Signed HTTP callbacks: where they may go, how they are signed, and the relay that sends them."""
