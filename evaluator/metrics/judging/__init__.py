"""Metrics that a model judges: prompt, question, votes, verdict."""
