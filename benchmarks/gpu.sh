#!/usr/bin/env bash
# Run what needs a GPU, wherever one is at hand: the tests marked `gpu`, and profiles of ResNet-50.
# A Python with torch is enough for the profiles; the tests want pytest as well.
#
#     PYTHON=python3 benchmarks/gpu.sh [FOLDER]     leaves the profiles as JSON in FOLDER too
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "${PYTHON:-}" ]; then
	PYTHON=python3
	if [ -x .venv/bin/python ]; then PYTHON=.venv/bin/python; fi
fi
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

if "$PYTHON" -c 'import pytest' 2>/dev/null; then
	"$PYTHON" -m pytest -m gpu tests/magics/test_timing_gpu.py
else
	echo "pytest is not installed for $PYTHON: the tests are left out"
fi

if ! "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
	echo "torch finds no CUDA device here: nothing to profile"
	exit 0
fi
"$PYTHON" benchmarks/gpu.py "$@"
