"""Trust: with ``trust = "signed"`` only notebooks that Jupyter's signature store trusts run.

What is checked are the very bytes that are compiled. What was found is kept with the bytecode as a
seal: the signature, and where it is looked up. A warm import looks it up again, without nbformat,
which may take a second to import. The bytecode of signed notebooks lies among the user's own caches
alone: who can write into a notebook's folder could put an entry of their own there.
"""

from __future__ import annotations

import os

from nbimport.errors import NotebookImportError
from nbimport.machinery import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    # The store's file, algorithm, signature; the key's file and its stamp.
    Seal = tuple[str, str, str, str, cache.Stamp]

_LOOK_UP = "SELECT id FROM nbsignatures WHERE algorithm = ? AND signature = ?"


def read(entry: str, path: str, key: str, status: os.stat_result) -> cache.Entry | None:
    """Read the user's own entry of a notebook; it is fresh only while its seal holds."""
    found = cache.read_for_user(entry, path, key, status)
    if found is not None:
        found.fresh = found.fresh and _holds(found.payload[3])
    return found


def write(entry: str, mode: int, data: bytes) -> None:
    """Write an entry where nobody but the user can."""
    del mode  # of the notebook, for entries beside it
    cache.write_for_user(entry, data)


def _holds(seal: Seal | None) -> bool:
    """Tell whether the signature store still has what a seal says; None: not known."""
    if seal is None:
        return False
    store, algorithm, signature, key_file, stamp = seal
    if _stamp(key_file) != stamp:
        return False  # `jupyter trust --reset` makes a new key
    import sqlite3

    try:
        database = sqlite3.connect(f"file:{_quoted(store)}?mode=ro", uri=True)
        try:
            return database.execute(_LOOK_UP, (algorithm, signature)).fetchone() is not None
        finally:
            database.close()
    except sqlite3.Error:
        return False


def sealed(data: bytes, path: str) -> Seal | None:
    """Check a notebook's bytes against Jupyter's signature store.

    Args:
        data: What is about to be compiled.
        path: The notebook's file, for the message.

    Returns:
        The seal; None where only Jupyter itself can look signatures up in its store.

    Raises:
        NotebookImportError: The notebook is not signed, or Jupyter's store can't be asked.
    """
    try:
        document, notary = _document(data), _notary()
        with notary:
            seal, is_signed = None, False
            # Without a key nothing can be signed, and asking would make one.
            if os.path.exists(notary.secret_file) or notary.trait_has_value("secret"):
                is_signed = notary.check_signature(document)
                seal = _seal_of(notary, document)
    except Exception as error:
        raise NotebookImportError(
            f"{path}: Jupyter's signature store can't be asked ({type(error).__name__}: {error}); "
            'correct that, or leave trust = "signed" out of the settings',
            path=path,
        ) from error
    if not is_signed:
        raise NotebookImportError(_refusal(document, path), path=path)
    return seal


def _document(data: bytes) -> Any:  # noqa: ANN401 - a NotebookNode
    """Read a notebook as ``jupyter trust`` does, which signs what is in the file."""
    from nbformat import reader

    return reader.reads(data.decode("utf-8-sig"))  # type: ignore[no-untyped-call] # theirs


def _notary() -> Any:  # noqa: ANN401 - a NotebookNotary
    """Return the notary that ``jupyter trust`` uses, with the user's configuration of it."""
    import logging

    from nbformat.sign import TrustNotebookApp

    app = TrustNotebookApp(log_level=logging.CRITICAL)  # an import is silent
    app.initialize(argv=[])
    return app.notary


def _seal_of(notary: Any, document: Any) -> Seal | None:  # noqa: ANN401 - theirs
    from nbformat.sign import SQLiteSignatureStore

    stamp = _stamp(notary.secret_file)
    if type(notary.store) is not SQLiteSignatureStore or stamp == cache.UNTRUSTED:
        return None
    signature = notary.compute_signature(document)
    return (notary.db_file, notary.algorithm, signature, notary.secret_file, stamp)


def _stamp(path: str) -> cache.Stamp:
    try:
        return cache.stamp_of(os.stat(path))
    except OSError:
        return cache.UNTRUSTED


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(os.path.abspath(path))


def _lacks_ids(document: Any) -> bool:  # noqa: ANN401 - a NotebookNode
    """Tell whether nbformat makes up ids whenever it reads this, so that no signature fits."""
    is_asked_for = (document.nbformat, document.get("nbformat_minor", 0)) >= (4, 5)
    return is_asked_for and any(cell.get("id") is None for cell in document.cells)


def _refusal(document: Any, path: str) -> str:  # noqa: ANN401 - a NotebookNode
    import shlex

    command = f"jupyter trust {shlex.quote(path)}"
    if _lacks_ids(document):
        command = f"save it from Jupyter, for its cells lack the ids of format 4.5, and `{command}`"
    else:
        command = f"`{command}`"
    return (
        f'{path}: not signed, and the settings say trust = "signed"; if you trust it, run {command}'
    )
