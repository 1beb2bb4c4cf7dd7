# Every job in one command. Written for GNU make 3.81 (macOS) and later, with any POSIX shell.

VENV := .venv
PY := $(VENV)/bin/python
PORT ?= 8501
SECONDS ?= 60
# One more than the cores of a small machine: a third of the time of the slow tests is waiting.
JOBS ?= 3
DEMO := build/phantom-demo

# The Pythons for which every pinned package has a wheel.
PYTHON_FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

.PHONY: help app test lint types chromium bench fuzz docs site pictures demo pretrain imagenet clean

help:
	@echo "make app      install what the app needs into $(VENV) and start it on http://127.0.0.1:$(PORT)"
	@echo "make test     install what the tests need, make lint, run every test (JOBS=$(JOBS) at once)"
	@echo "make lint     check style, types, unused code and the order of imports only"
	@echo "make bench    measure, print and keep the figures (ONLY='phantom serving' runs a choice)"
	@echo "make fuzz     read drawn files of every format for a while (SECONDS=600 chooses how long)"
	@echo "make docs     draw docs/architecture.svg from the imports, fill tables and references"
	@echo "make site     build the documentation into build/site"
	@echo "make pictures take the pictures of the documentation, in Chromium"
	@echo "make demo     render the phantom and train models/phantom-demo anew"
	@echo "make pretrain render phantoms and train the initial weights of compact anew (hours)"
	@echo "make imagenet download the ImageNet weights of EfficientNet-Lite0 and convert them anew"
	@echo "make clean    remove $(VENV), caches and build/; models/ and runs/ stay"
	@echo "PYTHON=/path/to/python3.12 chooses the Python, PORT=8502 the port."

app: $(VENV)/.app
	$(PY) -m spinefrac serve --port $(PORT)

test: $(VENV)/.test chromium lint
	$(PY) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.test types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m vulture
	$(VENV)/bin/lint-imports --no-logo --no-cache

types: $(VENV)/.test
	$(PY) -m mypy

bench: $(VENV)/.test
	$(PY) -m benchmarks --save $(ONLY)

fuzz: $(VENV)/.test
	$(PY) -m fuzz --seconds $(SECONDS)

docs: $(VENV)/.test
	$(PY) docs/draw_architecture.py
	$(PY) docs/draw_learning.py
	$(PY) docs/write_reference.py
	$(PY) docs/write_notebook.py

# A warning about MkDocs 2 that concerns nobody who builds a site is left out.
site: $(VENV)/.test
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build

pictures: $(VENV)/.test chromium
	$(PY) -m docs.take_pictures

# Trained elsewhere and then moved: the old model stays until the new one is complete.
demo: $(VENV)/.app
	rm -rf $(DEMO)
	$(PY) -m spinefrac.data.phantom.mixture $(DEMO)/data
	SPINEFRAC_HOME=$(DEMO) $(PY) -m spinefrac train $(DEMO)/data --name phantom-demo \
	  --threshold-rule specificity:0.85 \
	  --note "A demonstration on synthetic images. It must not be used on people."
	rm -rf models/phantom-demo
	mkdir -p models
	mv $(DEMO)/models/phantom-demo models/phantom-demo

# Goes on where it was stopped.
pretrain: $(VENV)/.app
	$(PY) -m spinefrac.training.pretraining

imagenet: $(VENV)/.app
	$(PY) -m spinefrac.training.lite0.convert

clean:
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps say that the environment holds what the files they depend on ask for.
$(VENV)/.app: requirements.txt pyproject.toml
	@found=; if ! { $(PY) -c '$(PYTHON_FITS)' && $(PY) -m pip --version; } >/dev/null 2>&1; then \
	  for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	    if command -v "$$python" >/dev/null 2>&1 && "$$python" -c '$(PYTHON_FITS)' 2>/dev/null; \
	      then found="$$python"; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "error: Python 3.11, 3.12 or 3.13 is needed and none was found; install one" \
	      "(Debian: apt-get install python3 python3-venv; macOS: brew install python@3.12)" \
	      "or say where it is: make PYTHON=/path/to/python3.12 app" >&2; exit 1; \
	  fi; \
	  echo "making $(VENV) with $$found"; \
	  "$$found" -m venv --clear $(VENV) || exit 1; \
	fi
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: $(VENV)/.app requirements-test.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-test.txt
	@touch $@

# A browser for the tests of the pages. Where none can be had they are skipped, by name.
chromium:
	@for browser in chromium chromium-browser google-chrome google-chrome-stable \
	    "/Applications/Chromium.app/Contents/MacOS/Chromium" \
	    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do \
	  if command -v "$$browser" >/dev/null 2>&1; then exit 0; fi; \
	done; \
	sudo=; if command -v apt-get >/dev/null 2>&1; then \
	  if [ "$$(id -u)" = 0 ]; then sudo=env; \
	  elif sudo -n true 2>/dev/null; then sudo="sudo -n"; fi; \
	fi; \
	if [ -n "$$sudo" ] && $$sudo apt-get update -qq \
	    && $$sudo apt-get install -y -qq --no-install-recommends chromium; then exit 0; fi; \
	echo "no Chromium found: the tests that drive a browser will be skipped; to run them," \
	  "install it (Debian: apt-get install chromium; macOS: brew install --cask chromium)" >&2
