"""Agreement, intervals, tests and corrected means, over plain values: no I/O, nothing of the product."""
