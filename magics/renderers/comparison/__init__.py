"""How a comparison shows itself."""
