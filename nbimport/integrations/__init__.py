"""One file for each world a notebook module must live in."""
