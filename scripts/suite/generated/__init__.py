"""Files in the repository that are generated from the code, and whether they are up to date."""
