"""Figures of benchmarks/README.md.  Each module prints a table, or JSON with `--json`."""
