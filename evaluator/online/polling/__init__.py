"""What is complete becomes work, and work becomes results."""
