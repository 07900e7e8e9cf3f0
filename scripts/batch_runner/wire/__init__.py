"""The services as the runner reaches them."""
