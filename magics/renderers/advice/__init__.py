"""How advice shows itself."""
