"""The report of a finished run as one page: a pure function from the run's data to HTML."""
