# Everything runs in one virtual environment; `make` alone lists what there is.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN = $(VENV)/bin
BUILD = build
DEMO = demo_notebooks/03_dsc/fewer_macs_not_fewer_ms.ipynb
CHECK_DEMOS = $(BIN)/python -m pytest --nbval --nbval-current-env --nbval-cell-timeout=120 \
	-p no:cacheprovider demo_notebooks
RUNS = 20

# What is tested of the cache is switched off by this variable.
unexport PYTHONDONTWRITEBYTECODE
# Another environment that happens to be active: IPython would look for packages there.
unexport VIRTUAL_ENV

.DEFAULT_GOAL = help
.PHONY: help demo demo-all test browser chromium check lint types contracts format bench soak soak-demos clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/demo.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[demo]'
	touch $@

# pytorchcv asks for torchvision, which would bring a torch of its own; its models don't need it.
$(VENV)/test.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[test]'
	$(BIN)/python -m pip install -q -c constraints.txt --no-deps pytorchcv
	touch $@ $(VENV)/demo.stamp

demo: $(VENV)/demo.stamp ## run the demo notebook; leave it, and a page of it, under build/
	mkdir -p $(BUILD)
	$(BIN)/python -m jupyter nbconvert --to notebook --execute --ExecutePreprocessor.timeout=300 \
		--output-dir $(BUILD) $(DEMO) --log-level WARN
	$(BIN)/python -m jupyter nbconvert --to html --output-dir $(BUILD) $(BUILD)/$(notdir $(DEMO)) \
		--log-level WARN
	@$(BIN)/python demo_notebooks/print_tables.py $(BUILD)/$(notdir $(DEMO))
	@echo
	@echo "executed notebook:  $(CURDIR)/$(BUILD)/$(notdir $(DEMO))"
	@echo "page:               $(CURDIR)/$(BUILD)/$(notdir $(DEMO:.ipynb=.html))"

demo-all: $(VENV)/demo.stamp ## run all demo notebooks; leave a site of them under build/site
	$(BIN)/python demo_notebooks/make_site.py $(BUILD)/site

# Debian's Chromium, which the browser tests drive; without it they are skipped, and say so.
browser:
	@command -v chromium >/dev/null || $(MAKE) -s chromium || \
		echo "No Chromium, and no right to install it: the browser tests will be skipped."

chromium:
	test "$$(id -u)" = 0 && command -v apt-get >/dev/null
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium

test: $(VENV)/test.stamp browser ## run all tests, the demo notebooks included
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow" --cov --cov-report=term:skip-covered
	$(CHECK_DEMOS)

check: lint types contracts test ## everything a change has to pass

lint: $(VENV)/test.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/test.stamp
	$(BIN)/mypy

contracts: $(VENV)/test.stamp
	$(BIN)/lint-imports

format: $(VENV)/test.stamp ## format the code and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/test.stamp ## measure against peers and limits; about twenty minutes
	$(BIN)/python benchmarks/imports.py
	$(BIN)/python benchmarks/profiling.py
	$(BIN)/python benchmarks/comparing.py
	$(BIN)/python benchmarks/sweeping.py
	$(BIN)/python benchmarks/cluster.py

soak: $(VENV)/test.stamp ## the slow tests
	$(BIN)/python -m pytest -m slow

soak-demos: $(VENV)/test.stamp ## check the demo notebooks 20 times while the machine is busy
	$(BIN)/python demo_notebooks/repeat.py $(RUNS) $(CHECK_DEMOS)

clean: ## remove what the commands made
	rm -rf $(VENV) $(BUILD)
