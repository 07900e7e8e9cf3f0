"""CJ Assessment: turns a batch of essays into a ranking with grades, by judged comparisons."""
