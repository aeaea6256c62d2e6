"""Generated from protos/evaluator/v1 by protos/generate.py: change the protos, then run `make protos`."""
