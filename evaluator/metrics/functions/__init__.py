"""Deterministic metrics that ship: pure functions of one target, without a model (`shipped.FUNCTIONS`)."""
