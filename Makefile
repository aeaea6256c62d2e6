PY := .venv/bin/python
.DEFAULT_GOAL := help
help:
	@echo "make demo | test | check | bench | protos | conformance | test-collector | soak"
