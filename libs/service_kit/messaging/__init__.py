"""Events in and out: the bus, the consumer with its inbox, the outbox with its relay."""
