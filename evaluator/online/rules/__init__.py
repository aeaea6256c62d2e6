"""Rules as they are kept: definition, filter, catalogue."""
