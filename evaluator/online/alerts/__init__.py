"""Alerts: what is watched over many results, and who is told when it turns."""
