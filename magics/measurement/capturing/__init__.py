"""One pass over a model, and what to say where it refuses its input."""
