"""What people expect of targets and metrics: taken in, settled among them, and shown beside what was concluded."""
