"""Metrics that are an expression of ClickHouse."""
