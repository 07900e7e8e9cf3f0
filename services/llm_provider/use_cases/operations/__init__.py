"""What operators see and control."""
