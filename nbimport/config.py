"""What can be set, and ``[tool.nbimport]`` of the nearest pyproject.toml.

Knows TOML, neither notebooks nor the import system. It is imported only where a pyproject.toml
mentions nbimport or where a `Config` is made; so is the TOML parser.
"""

from __future__ import annotations

import os

from nbimport.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

SKIP_TAGS = ("skip", "skip-import", "remove-cell")
SKIP_DIRECTIVES = ("eval: false", "hide", "skip")
MAGICS = ("run", "skip", "error")
TRUST = ("any", "signed")


class Config:
    """Hold the settings of notebook imports; plain and never changed after it is made.

    Args:
        mounts: Package name -> folder whose notebooks and ``.py`` files it holds.
            A relative folder counts from the pyproject.toml, or from the working directory.
        skip_tags: Cells with one of these tags are not part of the module.
        skip_directives: Cells that begin with one of these ``#|`` directives are not either.
        definitions_only: Globs, matched against a notebook's whole path and its name;
            of these notebooks only imports, definitions and constants are run.
        magics: ``"run"`` runs IPython's magics in the module's namespace, ``"skip"`` leaves
            them out (the bodies of ``%%time`` and its kind still run), ``"error"`` refuses them.
        trust: ``"signed"`` refuses notebooks that Jupyter's signature store does not trust;
            ``"any"`` imports as Python does.
        root: The folder from which relative paths in this config count.

    Raises:
        ConfigError: A value has the wrong type, or ``magics`` or ``trust`` is none of its words.
    """

    __module__ = "nbimport"
    __slots__ = (
        "definitions_only",
        "magics",
        "mounts",
        "root",
        "skip_directives",
        "skip_tags",
        "trust",
    )

    def __init__(  # noqa: PLR0913 - one keyword per setting is the point of this class
        self,
        *,
        mounts: Mapping[str, str | os.PathLike[str]] | None = None,
        skip_tags: Iterable[str] = SKIP_TAGS,
        skip_directives: Iterable[str] = SKIP_DIRECTIVES,
        definitions_only: Iterable[str] = (),
        magics: str = "run",
        trust: str = "any",
        root: str | os.PathLike[str] | None = None,
    ) -> None:
        if root is not None and not isinstance(root, str | os.PathLike):
            raise ConfigError(f"root: {root!r} is not a path; write it as a string")
        self.root = _working_directory() if root is None else os.path.abspath(os.fspath(root))
        self.mounts = _folders(mounts or {}, self.root)
        self.skip_tags = _strings("skip_tags", skip_tags)
        self.skip_directives = _strings("skip_directives", skip_directives)
        self.definitions_only = _strings("definitions_only", definitions_only)
        self.magics = _one_of("magics", magics, MAGICS)
        self.trust = _one_of("trust", trust, TRUST)

    def key(self, path: str, only: str | None = None) -> str:
        """Name everything in these settings that shapes the code of one notebook."""
        reduced = self.only(path, only) or None
        shaping = (self.skip_tags, self.skip_directives, self.magics, reduced, self.trust)
        return "" if shaping == (SKIP_TAGS, SKIP_DIRECTIVES, "run", None, "any") else repr(shaping)

    def only(self, path: str, only: str | None = None) -> str | None:
        """Return "definitions" where only the definitions of a notebook shall run, else None.

        An empty `only` asks for everything, whatever the settings say.
        """
        if only is not None or not self.definitions_only:
            return only
        from fnmatch import fnmatch

        relative = os.path.relpath(path, self.root)
        names = (path, relative, os.path.basename(path))
        matched = any(fnmatch(name, glob) for glob in self.definitions_only for name in names)
        return "definitions" if matched else None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Config):
            return NotImplemented
        return all(getattr(self, field) == getattr(other, field) for field in self.__slots__)

    def __hash__(self) -> int:
        return hash((self.root, self.skip_tags, self.magics))

    def __repr__(self) -> str:
        return (
            f"Config({', '.join(f'{field}={getattr(self, field)!r}' for field in self.__slots__)})"
        )


def parsed(data: bytes, path: str) -> Any:  # noqa: ANN401 - TOML holds anything
    """Return what a pyproject.toml has under ``tool.nbimport``, or None.

    Raises:
        ConfigError: It is not TOML.
    """
    import tomllib

    try:
        table = tomllib.loads(data.decode())
    except ValueError as error:
        raise ConfigError(
            f"{path}: not valid TOML ({error}); correct the file", path=path
        ) from error
    tools = table.get("tool")
    return tools.get("nbimport") if isinstance(tools, dict) else None


def of_table(settings: Any, path: str) -> Config:  # noqa: ANN401 - TOML holds anything
    """Return the settings in a table of a pyproject.toml; relative folders count from its own.

    Raises:
        ConfigError: They are not what `Config` takes.
    """
    if not isinstance(settings, dict):
        raise ConfigError(
            f"{path}: tool.nbimport is {settings!r}; make it a table, [tool.nbimport]", path=path
        )
    known = {field.replace("_", "-"): field for field in Config.__slots__ if field != "root"}
    for key in settings:
        if key not in known:
            raise ConfigError(
                f"{path}: [tool.nbimport] has no setting {key!r}; {_meant(key, known)}", path=path
            )
    fields = {known[key]: value for key, value in settings.items()}
    try:
        return Config(root=os.path.dirname(path), **fields)
    except ConfigError as error:
        field, colon, message = str(error).partition(":")
        raise ConfigError(
            f"{path}: [tool.nbimport] {field.replace('_', '-')}{colon}{message}", path=path
        ) from None


def _meant(key: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # only for a message

    close = get_close_matches(key, known, 1)
    return f"did you mean {close[0]!r}?" if close else f"known are {_listed(sorted(known))}"


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # deleted under our feet: only relative paths would need it
        return os.sep


def _strings(field: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, (list, tuple, set, frozenset)):
        raise ConfigError(f"{field}: {value!r} is not a list of strings; write [{value!r}]")
    if not all(isinstance(item, str) for item in value):
        raise ConfigError(f"{field}: {value!r} holds something that is not a string; quote it")
    return tuple(sorted(value)) if isinstance(value, (set, frozenset)) else tuple(value)


def _one_of(field: str, value: object, words: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in words:
        raise ConfigError(f"{field}: {value!r} is none of {_listed(words)}; use one of them")
    return value


def _folders(value: object, root: str) -> dict[str, str]:
    if not hasattr(value, "items"):
        raise ConfigError(f'mounts: {value!r} is no table; write {{ name = "folder" }}')
    from keyword import iskeyword  # for who has mounts

    folders = {}
    for name, folder in value.items():
        if not isinstance(name, str) or not name.isidentifier() or iskeyword(name):
            raise ConfigError(
                f"mounts: {name!r} is not a name that can be imported; use a plain identifier"
            )
        if not isinstance(folder, (str, os.PathLike)):
            raise ConfigError(f"mounts: the folder of {name!r} is {folder!r}; write it as a string")
        expanded = os.path.expanduser(os.fspath(folder))
        folders[name] = os.path.normpath(os.path.join(root, expanded))
    return folders


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"{word!r}" for word in words)
