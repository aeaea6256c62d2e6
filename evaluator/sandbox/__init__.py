"""Users' code in worker processes without files, network or environment (pydantic-monty); knows nothing of metrics."""
