"""Arithmetic: shapes in, numbers out.

What lives here: the registry of formulas (`formulas`) and its families (`convolution`,
`pooling`, `normalisation`), sizes and windows (`geometry`), the receptive field over a whole
graph (`receptive_field`) and the roofline (`roofline`). What it must not know: torch, IPython,
a clock, or how a number is shown.
"""

# Importing a family registers its formulas.
from magics.theory import convolution, normalisation, pooling
from magics.theory.formulas import (
    KINDS,
    Cost,
    Layer,
    UnknownKindError,
    backward_cost,
    cost,
    has_formula,
    register_formula,
)
from magics.theory.normalisation import elementwise_backward

__all__ = [
    "KINDS",
    "Cost",
    "Layer",
    "UnknownKindError",
    "backward_cost",
    "convolution",
    "cost",
    "elementwise_backward",
    "has_formula",
    "normalisation",
    "pooling",
    "register_formula",
]
