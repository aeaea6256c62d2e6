"""Scores spans, traces and sessions: gRPC fronts and online rules, one scoring path, metrics, judges."""
