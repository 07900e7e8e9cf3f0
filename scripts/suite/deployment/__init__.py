"""What a deployment does once before its services start: databases, schemas and topics."""
