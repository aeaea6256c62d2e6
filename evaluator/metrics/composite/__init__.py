"""Metrics that read results of other metrics: what is required, and statistics over it."""
