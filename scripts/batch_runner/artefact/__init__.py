"""The record of a run: what went in, what was judged, what came out."""
