"""``[tool.nbimport]`` of a pyproject.toml, parsed once: the TOML parser costs many warm imports.

What was parsed is kept among the user's caches, together with the text that it was parsed from.
"""

from __future__ import annotations

from nbimport import config
from nbimport.machinery import cache

_KEY = "tool.nbimport"


def config_of(path: str, data: bytes) -> config.Config | None:
    """Return the settings in a pyproject.toml, or None where it has none.

    Args:
        path: The file; relative folders in it count from its own.
        data: Its content.

    Raises:
        ConfigError: Its ``[tool.nbimport]`` is not what `Config` takes.
    """
    entry = f"{path}.nbimport"
    known = cache.read_for_user(entry, path, _KEY)
    if known is not None and known.payload[0] == data:
        table = known.payload[1]
    else:
        table = config.parsed(data, path)
        cache.write_for_user(entry, cache.packed(cache.UNTRUSTED, path, _KEY, b"", (data, table)))
    return None if table is None else config.of_table(table, path)
