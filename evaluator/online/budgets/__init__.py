"""What judging may cost a day: drawn in chunks, spent by calls, given back."""
