"""Judges that learn from people: distill what reviewers said, verify it, prove it, leave the decision to a person."""
