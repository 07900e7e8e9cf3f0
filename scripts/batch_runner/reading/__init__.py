"""Reading what students hand in: every text is read whole, or refused by name with what to do about it."""
