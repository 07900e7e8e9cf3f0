"""Requests from their acceptance to their end, apart from the calls made for them."""
