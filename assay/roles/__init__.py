"""The processes of an installation.  Each is `python -m assay.roles.NAME` under `assay up`, or a command by itself."""
