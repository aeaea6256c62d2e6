"""Online evaluation under load: whether it keeps up, what it costs when idle, and what a poll depends on."""
