"""What people expect of targets and metrics: checked, kept with what they saw, resolved."""
