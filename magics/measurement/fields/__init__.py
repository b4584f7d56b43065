"""Receptive fields of a run: what ran (`tape`), what it means (`rules`), what a row sees.

The tape notes every operator of a forward. The rules say where the elements of each tensor
stand on the image (`layout`, `places`) and draw a graph (`canvas`), which the theory answers.
"""
