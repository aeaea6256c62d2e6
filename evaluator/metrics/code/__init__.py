"""Metrics in Python: users' scorers, functions that ship, plugins, and the step that they read."""
