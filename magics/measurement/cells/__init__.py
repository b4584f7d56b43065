"""Looking on while a cell runs once."""
