"""LLM Provider: the gateway to every judge; a durable queue, exact costs, one callback for every request."""
