"""Anchors: read from files, registered, compared with those that there are."""
