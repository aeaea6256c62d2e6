"""Own telemetry: what these processes do, as OpenTelemetry metrics."""
