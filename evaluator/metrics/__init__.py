"""Metrics: definitions, the catalogue of built-in ones, and how each kind concludes (`conclude.conclude`)."""
