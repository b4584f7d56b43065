"""``python -m nbimport``."""

from __future__ import annotations

import sys

from nbimport.cli import main

if __name__ == "__main__":
    sys.exit(main())
