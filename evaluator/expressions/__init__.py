"""SQL that users write: read, held to lists of what it may name, and written anew."""
