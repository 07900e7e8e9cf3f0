"""Dead letters of the whole suite: events, outgoing messages and work items that are no longer tried."""
