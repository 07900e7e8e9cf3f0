"""What a reader should know of a batch besides its scores: fit, graph, consistency, losses, close calls."""
