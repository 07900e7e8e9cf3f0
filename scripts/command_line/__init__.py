"""What cj-run, cj-admin and cj-suite share: the client of a service."""
