"""Logging in: by e-mail and password, by a browser on any device, or with a key of development."""
