"""What every service needs once: settings, logs, metrics, HTTP, database, outbox, inbox, event bus, callbacks."""
