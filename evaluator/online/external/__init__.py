"""Results that others send."""
