"""Every exception of magics.

    ConvProfileError                what a user can mend; says where, what, and what to do
    ├── InputError                  the arguments: model, input, options
    ├── ForwardError                the model raised while it ran
    └── RecordError                 a saved profile that can't be read

A message reads *where: what (got ...); what to do*, in one line.
"""

from __future__ import annotations


class ConvProfileError(Exception):
    """Root of what magics raises.

    Attributes:
        layer: Dotted path of the layer concerned, '' for the model itself, `None` where no
            layer is concerned.
    """

    def __init__(self, message: str, *, layer: str | None = None) -> None:
        super().__init__(" ".join(message.split()))
        self.layer = layer


class InputError(ConvProfileError):
    """A model, an input or an option that can't be profiled."""


class ForwardError(ConvProfileError):
    """The model raised while it ran; the original exception is the cause."""


class RecordError(ConvProfileError):
    """A saved profile that can't be read."""
