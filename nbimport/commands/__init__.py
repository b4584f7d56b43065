"""The commands of ``python -m nbimport``, one file each; their docstrings are their help."""
