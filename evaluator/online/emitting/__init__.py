"""Our results, sent to others."""
