"""Modules of the standard library that the sandbox lacks, in the Python that it runs.  Their text is sent to it.

No class here inherits, yields or has a property: the interpreter of the sandbox knows none of these.
"""
