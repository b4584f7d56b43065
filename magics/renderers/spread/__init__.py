"""How a spread over ranks shows itself."""
