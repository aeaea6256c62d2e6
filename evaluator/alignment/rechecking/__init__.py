"""People's verdicts against every later version, and means corrected by them."""
