"""cj-run: assess a folder of essays, and analyse comparative judgement data."""
