"""Print the profiles' text tables of an executed notebook: ``python print_tables.py NOTEBOOK``."""

import sys

import nbformat

PROFILE = "text/html"  # a report comes as HTML and as text; a plain result as text alone


def tables(path: str) -> list[str]:
    """Return the text of every rich output of a notebook, in order."""
    notebook = nbformat.read(path, as_version=4)
    return [
        output["data"]["text/plain"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if PROFILE in output.get("data", {})
    ]


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # a terminal without these letters gets "?"
    print("\n\n".join(tables(sys.argv[1])))
