"""Finite evaluations: estimated, started, watched, cancelled, resumed."""
