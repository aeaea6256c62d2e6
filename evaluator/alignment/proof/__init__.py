"""What held-out rows say about guidelines: statistics before and after, a test, guardrails, a verdict."""
