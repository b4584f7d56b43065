"""The changes that are tried on a copy of a model: a file for each group of them."""
