"""What a person decides about a run: lines toggled and proved again, accepted, put aside."""
