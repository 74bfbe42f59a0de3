# Every target makes .venv first if it is missing, incomplete or older than pyproject.toml.
# A python3.x on PATH may be a shim that fails, so each candidate is run to get its version. The newest comes first: it is
# Colab's, where most people run odtk, and problems with a new Python should show up on every developer's machine.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.10 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV_PYTHON := .venv/bin/python
READY := .venv/.ready
# Most of a test is Python, tracing and TensorFlow's start, on one core; each process takes some 3 GB of memory.
WORKERS ?= 2
PYTEST := $(VENV_PYTHON) -m pytest -n $(WORKERS) --dist worksteal

.PHONY: help demo test test-all suite test-matrix lint style types format docs docs-pictures bench bench-accelerator tfod protos clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*  ## /make \1\t/p' Makefile | expand -t 18

# The folder is made from scratch if its Python does not run or is not supported (for example after a system upgrade).
# Pip before 23.1 needs many minutes to find compatible versions.
$(READY): pyproject.toml
	@$(VENV_PYTHON) -m pip --version >/dev/null 2>&1 || { \
	  test -n "$(PYTHON)" || { echo "odtk needs Python 3.10, 3.11, 3.12 or 3.13; name one with make PYTHON=..." >&2; exit 1; }; \
	  echo "Making .venv with $(PYTHON): TensorFlow is downloaded, which takes a few minutes." >&2; \
	  $(PYTHON) -m venv --clear .venv; }
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check 'pip>=23.1'
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check --no-compile --editable '.[dev]'
	@# By all cores and without the packages' own tests, where pip compiles all, one file after another.
	@$(VENV_PYTHON) -m compileall -qq -j 0 -x 'site-packages/.*(/tests?/|_test\.py$$)' .venv/lib || true
	@touch $(READY)

demo: $(READY)  ## all steps on synthetic data, about 5 minutes on 2 cores
	$(VENV_PYTHON) -m odtk demo demo

test: $(READY) style  ## lint and the tests: what CI runs; WORKERS=4 runs them in four processes (0: in this one)
	@$(MAKE) --no-print-directory -j 2 types suite

test-all: $(READY) style  ## the same, with the slow end-to-end runs and what these need; PART=1/3 runs the first of three parts
	@$(MAKE) --no-print-directory -k .venv/.services .docs/.ready || \
	  echo "Not all packages of slow tests could be installed: the tests without theirs are skipped." >&2
	@$(MAKE) --no-print-directory -j 2 types suite MARKS="-m '' $(if $(PART),--part $(PART))"

# The services that a training can log to: thirty packages that slow tests alone need.
.venv/.services: $(READY)
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check --editable '.[wandb,mlflow]'
	@touch $@

# Programs that tests start import odtk, whose bytecode Python does not write itself where PYTHONDONTWRITEBYTECODE is set.
suite: $(READY)
	@$(VENV_PYTHON) -m compileall -q odtk
	$(PYTEST) $(MARKS)

# It needs no .venv, only a Python to run it: each combination makes its own environment in .matrix.
test-matrix:  ## the core of the suite on each Python and TensorFlow in turn; CELLS='3.13+2.20 ...' chooses
	$(or $(PYTHON),python3) tests/matrix/matrix.py $(CELLS)

lint: style types  ## ruff (check and format), mypy and the import contracts

style: $(READY)
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	.venv/bin/lint-imports --no-logo

# Without its cache it takes half a minute of one core, so that `make test` runs it beside the tests.
types: $(READY)
	$(VENV_PYTHON) -m mypy

format: $(READY)  ## format the code and fix what ruff can
	$(VENV_PYTHON) -m ruff check --fix .
	$(VENV_PYTHON) -m ruff format .

# The generator of the site needs Python 3.11, and neither odtk nor TensorFlow: an environment of a few MB.
.docs/.ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "name a Python from 3.11 on with make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv --clear .docs
	.docs/bin/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	.docs/bin/python -m pip install --quiet --disable-pip-version-check --group docs
	@touch .docs/.ready

docs: .docs/.ready  ## the documentation as a site with search, in site/, which needs no server and no network
	.docs/bin/zensical build --clean
	@echo "Open site/index.html."

# Real ones: the demo is run and recorded (5 minutes), and Chromium takes the picture of its page.
docs-pictures: $(READY)  ## README's animated terminal, pictures of a report and of the studio; needs Chromium
	rm -rf odtk-demo
	PATH="$(CURDIR)/.venv/bin:$$PATH" $(VENV_PYTHON) -m docs_site.recording docs/demo.cast.gz odtk demo
	$(VENV_PYTHON) -m docs_site.terminal_svg docs/demo.cast.gz docs/demo.svg
	$(VENV_PYTHON) -m docs_site.page_picture odtk-demo/model/eval/report.html docs/report.png
	$(VENV_PYTHON) -m docs_site.studio_pictures odtk-demo docs
	$(VENV_PYTHON) -m docs_site.badges

bench: $(READY)  ## measure speed against the bare network, to bench/results.json; 10 to 50 minutes on 2 idle cores; PARTS="latency"
	$(VENV_PYTHON) -m bench.run $(if $(PARTS),--parts $(PARTS))

bench-accelerator: $(READY)  ## measure training and exported models on this machine's GPU; MINUTES=8 ends it earlier
	$(VENV_PYTHON) -m bench.accelerator --minutes $(or $(MINUTES),30)

tfod:  ## install TFOD in .tfod, to compare with in `make bench` and to make goldens; Python 3.10 or 3.11
	sh tests/golden/from_tfod/environment.sh

# The generator has no wheels for the newest Python, so this searches for an older one; make PYTHON=... protos sets it.
protos: $(READY)  ## regenerate odtk/protos/*_pb2.py, in a temporary environment
	sh odtk/protos/generate.sh

clean:  ## remove everything that make made
	rm -rf .venv .docs .matrix .tfod demo odtk-demo site dist build
