"""Dead letters of the whole suite: events, outgoing messages and work items that nobody tries any more."""
