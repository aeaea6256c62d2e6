"""Optimizers: rows with what people expect in, guidelines out.  There is one: distill, verify, gate."""
