# The two commands of the course: `make lab` opens it, `make test` tests it. Both set it up first.
# Options for JupyterLab or pytest go through ARGS: make lab ARGS="--no-browser --port 8899"

PY := .venv/bin/python
# The Python that set the course up, while it is there; else python3.
PYTHON ?= $(if $(shell test -x $(PY) && test -e .venv/installed && echo yes),$(PY),python3)
ARGS ?=

.PHONY: lab test quick build book book-packages claims lint lock ray bench bench-search bench-notebooks bench-labs setup clean

setup:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here: install Python 3.11, 3.12 or 3.13 and run the same command again." >&2; exit 1; }
	@$(PYTHON) bootstrap.py

lab: setup
	@.venv/bin/jupyter lab --LabApp.default_url=/lab/tree/notebooks/00_welcome.ipynb $(ARGS)

test: setup lint      # everything: the package, the notebooks, the browser
	@$(PY) -m pytest tests $(ARGS)

quick: setup          # no notebooks, no browser, nothing slow
	@$(PY) -m pytest tests -m "not notebooks and not browser and not slow" $(ARGS)

lint: setup
	@.venv/bin/ruff check

build: setup          # text twins -> notebooks with outputs; ARGS="07" for one
	@.venv/bin/course build $(ARGS)

book-packages: setup  # Sphinx and what else only the book needs
	@.venv/bin/uv pip install --quiet --python $(PY) --requirement requirements-book.lock --constraint requirements.lock

# The states of the labs are kept in build/book-labs: some minutes the first time, and after a change to a lab.
book: book-packages   # all lectures as a static site in build/book, for readers without a kernel
	@$(PY) -m book.states
	@rm -rf build/book
	@$(PY) -m sphinx --quiet --fail-on-warning --keep-going --fresh-env --conf-dir book --doctree-dir build/book-doctrees notebooks build/book
	@echo "The book is ready: open build/book/index.html."

claims: setup         # put every claim on trial again, write course_utils/claims/results.json
	@.venv/bin/course claims $(ARGS)

COMPILE := .venv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --no-annotate --no-header --quiet

# All extras are solved together, so that requirements-ray.lock and requirements-book.lock, what Ray and the
# book need beyond the course, fit.
lock: setup           # renew all locks within the ranges of pyproject.toml
	@everything=$$(mktemp) && one=$$(mktemp) && \
	    $(COMPILE) --all-extras --upgrade --output-file $$everything >/dev/null && \
	    $(COMPILE) --extra dev --constraint $$everything --upgrade --output-file requirements.lock >/dev/null && \
	    for extra in ray book; do \
	        $(COMPILE) --extra dev --extra $$extra --constraint $$everything --upgrade --output-file $$one >/dev/null && \
	        grep -vxFf requirements.lock $$one >requirements-$$extra.lock || exit 1; \
	    done && rm $$everything $$one
	@$(PYTHON) bootstrap.py

ray: setup            # Ray, for searches on a cluster: 400 MB that nothing else needs
	@.venv/bin/uv pip install --quiet --python $(PY) --requirement requirements-ray.lock --constraint requirements.lock

bench: setup          # how fast fit_many is, into course_utils/measured.json; ARGS="sweep cnn" for two rows
	@.venv/bin/uv pip install --quiet --python $(PY) --group bench --constraint requirements.lock
	@$(PY) -m tests.benchmarks.engine $(ARGS)

bench-search: ray     # trials per minute here, on two processes, on two nodes, into measured.json
	@$(PY) -m tests.benchmarks.search $(ARGS)

bench-notebooks: setup  # seconds per notebook
	@$(PY) -m tests.benchmarks.notebooks $(ARGS)

bench-labs: setup     # from the slider to the final picture, in a real browser
	@$(PY) -m tests.benchmarks.labs $(ARGS)

clean:
	rm -rf .venv
