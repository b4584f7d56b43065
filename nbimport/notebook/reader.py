"""Bytes -> `Notebook`: the code cells of a .ipynb file, whatever its format and flavour.

Format 4 is read with `json`; formats 1 to 3 go through nbformat, which is slow to import and
therefore imported only for them. Knows neither the import system nor how a cell is compiled.
"""

from __future__ import annotations

from _json import make_scanner

from nbimport.errors import NotebookFormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A cell's cost is about 20 us to compile: more cells than this is no notebook a person wrote, and
# refusing it at once beats minutes of silence.
MAX_CELLS = 100_000
_LONGEST = 60  # characters of a wrong value that a message shows
_ASK = "save it again from Jupyter, or restore it"


class Cell:
    """Hold one code cell: its number (1 is the first that a clean run executes), source, tags."""

    __slots__ = ("number", "source", "tags")

    def __init__(self, number: int, source: str, tags: tuple[str, ...]) -> None:
        self.number = number
        self.source = source
        self.tags = tags


class Notebook:
    """Hold the code cells of a notebook and the text of the first markdown cell."""

    __slots__ = ("cells", "path", "title")

    def __init__(self, path: str, cells: list[Cell], title: str | None) -> None:
        self.path = path
        self.cells = cells
        self.title = title

    def content(self) -> tuple[object, ...]:
        """Return all that a module can depend on, as plain values: what a cache has to compare."""
        return (self.title, [(cell.number, cell.source, cell.tags) for cell in self.cells])


def read(data: bytes, path: str) -> Notebook:
    """Read a notebook from the bytes of its file.

    Args:
        data: The file's content; UTF-8, with or without a byte order mark.
        path: The file, for messages.

    Raises:
        NotebookFormatError: The bytes are no notebook, or not one in Python.
    """
    document = _document(data, path)
    major = document["nbformat"] if "nbformat" in document else _unnamed_format(document)
    if not isinstance(major, int) or isinstance(major, bool):
        raise _wrong(path, f"its nbformat is {_short(major)}, not a whole number")
    if major > 4:  # noqa: PLR2004 - the newest format there is
        raise NotebookFormatError(
            f"{path}: notebook format {major} is newer than 4, the newest that nbimport knows; "
            "save it as format 4",
            path=path,
        )
    if major < 4:  # noqa: PLR2004 - nbformat 4 came with IPython 3 in 2015
        document = _upgraded(document, path)
    _check_language(document.get("metadata"), path)
    return _notebook(document.get("cells"), path)


def _unnamed_format(document: dict[str, Any]) -> int:
    """Return the format of a notebook that doesn't say: format 1 never did."""
    if "worksheets" in document:
        return 3
    cells = document.get("cells")
    first = cells[0] if isinstance(cells, list) and cells else None
    return 1 if isinstance(first, dict) and ("code" in first or "text" in first) else 4


def _document(data: bytes, path: str) -> dict[str, Any]:
    if data.count(b'"cell_type"') > 2 * MAX_CELLS:  # outputs may speak of it too
        raise _too_many(path)
    try:
        document = _parsed(data)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise NotebookFormatError(_why_not_json(data, path, error), path=path) from error
    if not isinstance(document, dict):
        raise _wrong(path, f"it holds a JSON {type(document).__name__}, not an object")
    return document


class _Strict:
    """Tell the scanner what `json.loads` tells it."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int = float, int
    parse_constant = staticmethod(float)  # of "NaN", "Infinity", "-Infinity"


def _parsed(data: bytes) -> Any:  # noqa: ANN401 - JSON holds anything
    """Parse JSON as `json.loads` does, which is asked only if something is unusual.

    The package takes longer to import than most notebooks to read; its scanner is in C.
    """
    if data[:1] == b"{" and data[1:2] != b"\0":
        text = data.decode("utf-8", "surrogatepass")
        try:
            document, end = make_scanner(_Strict)(text, 0)  # type: ignore[arg-type] # has what it reads
            if not text[end:].strip(" \t\n\r"):
                return document
        except (StopIteration, ValueError, SystemError):  # the last where json is not imported yet
            pass  # let json.loads() say what is wrong
    import json

    return json.loads(data)


def _why_not_json(data: bytes, path: str, error: Exception) -> str:
    """Say what the bytes look like instead of a notebook."""
    head = data[:2000].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head:
        return f"{path}: the file is empty; {_ASK}"
    if head.startswith(b"version https://git-lfs"):
        return f"{path}: this is a Git LFS pointer, not the notebook; run `git lfs pull`"
    for marker in (b"\n<<<<<<< ", b"\n=======\n", b"\n>>>>>>> "):
        at = (b"\n" + data).find(marker)
        if at >= 0:
            line = data[:at].count(b"\n") + 1
            return f"{path}: merge conflict markers at line {line}; resolve the merge and save"
    if head.startswith(b"<"):
        return f"{path}: this is a web page or XML file, not a notebook; get the notebook itself"
    if isinstance(error, RecursionError):
        return f"{path}: its JSON is nested too deeply to be a notebook; {_ASK}"
    return f"{path}: not valid JSON ({error}), perhaps cut short; {_ASK}"


def _upgraded(document: dict[str, Any], path: str) -> dict[str, Any]:
    import nbformat  # up to 1.5 s, and only old notebooks need it

    try:
        import json

        text = json.dumps(document)
        return dict(nbformat.reads(text, as_version=4))  # type: ignore[no-untyped-call] # theirs
    except Exception as error:
        version = document.get("nbformat", "1 to 3")
        raise NotebookFormatError(
            f"{path}: nbformat can't read it as a notebook of format {version} "
            f"({type(error).__name__}: {error}); {_ASK}",
            path=path,
        ) from error


def _check_language(metadata: object, path: str) -> None:
    if not isinstance(metadata, dict):
        return  # format 4 asks for it, but code is code
    holders = (metadata.get("language_info"), "name"), (metadata.get("kernelspec"), "language")
    for section, key in (*holders, (metadata, "language")):  # the last one in format 3
        language = section.get(key) if isinstance(section, dict) else None
        if isinstance(language, str) and language:
            if not _means_python(language):
                raise NotebookFormatError(
                    f"{path}: a notebook in {language[:40]}, not in Python; "
                    "import only Python notebooks",
                    path=path,
                )
            return


def _means_python(language: str) -> bool:
    return "python" in language.lower()  # also IPython, python3, xpython


def _notebook(raw: object, path: str) -> Notebook:
    if not isinstance(raw, list):
        raise _wrong(path, "it has no list of cells")
    if len(raw) > MAX_CELLS:
        raise _too_many(path)
    cells: list[Cell] = []
    title = None
    for position, entry in enumerate(raw, 1):
        if not isinstance(entry, dict):
            raise _wrong(path, f"entry {position} of its cells is a {type(entry).__name__}")
        kind = entry.get("cell_type")
        if kind == "code":
            source = _source(entry, path, position)
            if source.strip() and _is_python(entry):
                cells.append(Cell(len(cells) + 1, source, _tags(entry)))
        elif kind == "markdown":
            if title is None:
                # Python has no docstring with a lone surrogate.
                title = _source(entry, path, position).encode("utf-8", "replace").decode()
        elif not isinstance(kind, str):
            raise _wrong(path, f"entry {position} of its cells has the cell_type {_short(kind)}")
    return Notebook(path, cells, title)


def _source(entry: dict[str, Any], path: str, position: int) -> str:
    source = entry.get("source")
    if isinstance(source, list):
        try:
            source = "".join(source)
        except TypeError:
            source = None
    if not isinstance(source, str):
        raise _wrong(path, f"the source of entry {position} of its cells is not text")
    if "\r" in source:
        source = source.replace("\r\n", "\n").replace("\r", "\n")
    return source


def _tags(entry: dict[str, Any]) -> tuple[str, ...]:
    metadata = entry.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()


def _is_python(entry: dict[str, Any]) -> bool:
    """Tell whether a cell of a notebook with cells in several languages (VS Code) is Python."""
    metadata = entry.get("metadata")
    vscode = metadata.get("vscode") if isinstance(metadata, dict) else None
    language = vscode.get("languageId") if isinstance(vscode, dict) else None
    return not isinstance(language, str) or _means_python(language)


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def _wrong(path: str, what: str) -> NotebookFormatError:
    return NotebookFormatError(f"{path}: not a notebook: {what}; {_ASK}", path=path)


def _too_many(path: str) -> NotebookFormatError:
    return NotebookFormatError(
        f"{path}: more than {MAX_CELLS:,} cells; split it into several notebooks",
        path=path,
    )
