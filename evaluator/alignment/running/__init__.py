"""A run: rows, calls that are paid for once, the worker, what is stored of it."""
