"""A record's way out and back: JSON, CSV, rows for a DataFrame."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from magics.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from magics.records.layer import LayerProfile
    from magics.records.saved import Saved

SCHEMA = 1
"""Version of the JSON form; `from_json` reads this one and older ones."""

_RAW = ("forward", "backward", "per_call", "receptive_field")  # of these a table shows what follows


def json_of(record: Saved) -> str:
    """Return a record as JSON, its schema's version first."""
    return json.dumps({"schema": SCHEMA, **asdict(record)}, indent=1)


def data_of(text: str, word: str) -> dict[str, Any]:
    """Return what a record's JSON holds.

    Args:
        text: The JSON.
        word: What it should be, for the error: 'profile'.

    Raises:
        RecordError: If the text is no saved record, or one of a newer schema.
    """
    try:
        data = json.loads(text)
        schema = data.pop("schema")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RecordError(
            f"from_json: no saved {word} (got {text[:40]!r}); pass what to_json wrote, "
            f"as text or as a pathlib.Path",
        ) from error
    if type(schema) is not int or schema < 1:
        raise RecordError(f"from_json: schema: no version (got {schema!r}); it is 1 at least")
    if schema > SCHEMA:
        raise RecordError(
            f"from_json: schema {schema} is newer than {SCHEMA}, the newest known here; "
            f"update nbimport-convprofile",
        )
    return data  # type: ignore[no-any-return]  # JSON with the key 'schema' is an object


def table_of(rows: tuple[LayerProfile, ...]) -> list[dict[str, Any]]:
    """Return one flat dictionary per row: counts, and times as median and IQR [s]."""
    return [
        {
            **{name: value for name, value in asdict(row).items() if name not in _RAW},
            "flops": row.flops,
            "arithmetic_intensity": row.arithmetic_intensity,
            "forward_s": row.forward.median_s if row.forward else None,
            "forward_per_call_s": row.per_call.median_s if row.per_call else None,
            "forward_iqr_s": row.forward.iqr_s if row.forward else None,
            "backward_s": row.backward.median_s if row.backward else None,
            "backward_iqr_s": row.backward.iqr_s if row.backward else None,
            "receptive_field": row.receptive_field.size if row.receptive_field else None,
        }
        for row in rows
    ]


def csv_of(table: Sequence[Mapping[str, Any]]) -> str:
    """Return one line per row of a table as CSV, under a line of names; nothing for no rows."""
    if not table:
        return ""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return stream.getvalue()


def written(text: str, path: str | PathLike[str] | None) -> str:
    """Return a text, after writing it to `path` if given."""
    if path is not None:
        with open(path, "w", encoding="utf-8") as stream:  # noqa: PTH123, str and Path alike
            stream.write(text)
    return text
