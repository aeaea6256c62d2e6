"""Assay: command line, Python client, and the only place where the parts are wired together."""
