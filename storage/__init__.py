"""Where telemetry and results live: vocabulary, ports, the OTLP translation, and the ClickHouse adapter.

Imports neither `exporter` nor `evaluator` (import-linter enforces it).
"""
