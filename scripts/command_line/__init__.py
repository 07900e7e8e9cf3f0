"""What cj-run, cj-admin and cj-suite share: errors, exit codes, findings, and the client of a service."""
