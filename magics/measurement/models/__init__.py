"""A model and what it takes: its modules, its inputs, both in another form for a while."""
