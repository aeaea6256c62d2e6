"""What follows from results: webhooks and events, durable, each at least once."""
