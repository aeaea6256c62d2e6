"""What a person should see before accepting: one value, and its renderings as Markdown and as an HTML page."""
