"""What every record that is a whole result can do: be saved, be read again, show itself."""

from __future__ import annotations

from dataclasses import Field  # noqa: TC003, read when decoding
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

from magics.records import exchange
from magics.records.decode import decoded
from magics.records.views import formed, shown, shown_as_text

_NUMBERS = ("_s", "_bytes", "_intensity")
"""Ends of the names of columns of numbers: pandas can't tell where none of them is known."""


class Saved:
    """Base of whole results, which are frozen dataclasses with slots.

    A result says in `_word` what it is, and in `_lines` what its table holds; whoever renders it
    registers a view as 'text/plain' and a form 'page' (see `magics.records.views`).
    """

    __slots__ = ()

    digits: int | None
    """Significant digits to show; `None` for the usual ones."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    _word: ClassVar[str]
    """What this is, in errors: 'profile'."""

    def _lines(self) -> list[dict[str, Any]]:
        """Return one flat dictionary per row of the table, all with the same keys."""
        raise NotImplementedError

    def to_json(self, path: str | PathLike[str] | None = None) -> str:
        """Return all that is in it as JSON, and write it to `path` if given."""
        return exchange.written(exchange.json_of(self), path)

    @classmethod
    def from_json(cls, saved: str | PathLike[str]) -> Self:
        """Read what `to_json` returned, or the file that it wrote.

        Args:
            saved: The text; or where it is saved, as a `pathlib.Path`.

        Raises:
            RecordError: If the text is no such record, or one of a newer schema.
            OSError: If the file can't be read.
        """
        text = Path(saved).read_text(encoding="utf-8") if isinstance(saved, PathLike) else saved
        return decoded(cls, exchange.data_of(text, cls._word), cls._word)  # type: ignore[no-any-return]  # a `cls`

    def to_csv(self, path: str | PathLike[str] | None = None) -> str:
        """Return the table as CSV, one line per row, and write it to `path` if given."""
        return exchange.written(exchange.csv_of(self._lines()), path)

    def to_dataframe(self) -> Any:  # noqa: ANN401, pandas is an optional extra
        """Return the table as a pandas DataFrame, one line per row.

        Times, sizes and intensities are numbers, NaN where nothing is known.

        Raises:
            ModuleNotFoundError: If pandas is not installed.
        """
        try:
            pandas = import_module("pandas")
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "to_dataframe: pandas is not installed; pip install 'nbimport-convprofile[frame]'",
                name=error.name,
            ) from error
        frame = pandas.DataFrame(self._lines())
        unknown = [name for name in frame if name.endswith(_NUMBERS) and frame[name].isna().all()]
        return frame.astype(dict.fromkeys(unknown, "float64"))

    def to_html(self, path: str | PathLike[str] | None = None) -> str:
        """Return the report as a whole HTML page, and write it to `path` if given.

        The page holds all it needs: it can be sent, and opened without a connection.
        """
        return exchange.written(formed(self, "page"), path)

    def _repr_mimebundle_(
        self,
        include: object = None,  # noqa: ARG002, part of IPython's protocol
        exclude: object = None,  # noqa: ARG002, part of IPython's protocol
    ) -> dict[str, str]:
        return shown(self)

    def __str__(self) -> str:
        return shown_as_text(self)
