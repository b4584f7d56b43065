"""How a notebook becomes a module, in importlib's words; here, the three that all share."""

# The name of the package of everything that is loaded by its path, see `names`.
PREFIX = "nbimport.at"
# Marks a name of which only the definitions are loaded.
ONLY_DEFINITIONS = "#definitions"
SUFFIX = ".ipynb"
