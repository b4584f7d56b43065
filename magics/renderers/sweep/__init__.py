"""How a sweep shows itself."""
