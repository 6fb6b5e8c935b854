# The two commands of the course: `make lab` opens it, `make test` tests it. Both set it up first.
# Options for JupyterLab or pytest go through ARGS: make lab ARGS="--no-browser --port 8899"

PY := .venv/bin/python
# The Python that set the course up, while it is there; else python3.
PYTHON ?= $(if $(shell test -x $(PY) && test -e .venv/installed && echo yes),$(PY),python3)
ARGS ?=
# Nobody who starts to learn is told how TensorFlow was compiled.
export TF_CPP_MIN_LOG_LEVEL ?= 1

.PHONY: lab test quick build book book-packages present present-packages voila claims lint lock ray bench bench-search bench-notebooks bench-kernel bench-labs bench-load hub hub-packages picture setup clean

setup:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here: install Python 3.11, 3.12 or 3.13 and run the same command again." >&2; exit 1; }
	@$(PYTHON) bootstrap.py

lab: setup
	@.venv/bin/jupyter lab --allow-root --LabApp.default_url=/lab/tree/notebooks/00_welcome.ipynb $(ARGS)

# Two processes share the files of tests: tests/conftest.py. ARGS="-n 0" for one, e.g. for a debugger.
test: setup lint      # everything: the package, the notebooks, the browser
	@$(PY) -m pytest tests -n 2 $(ARGS)

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

present-packages: setup   # Voila
	@.venv/bin/uv pip install --quiet --python $(PY) --requirement requirements-present.lock --constraint requirements.lock

present: setup        # a lecture for a projector, with your notes on a second page: make present ARGS="07"
	@.venv/bin/course present $(ARGS)

voila: present-packages   # labs as pages without code; ARGS="batch_norm" for one
	@.venv/bin/course voila $(ARGS)

hub-packages: setup   # JupyterHub with its proxy, which npm installs
	@command -v npm >/dev/null || { echo "There is no npm here, which installs the proxy of JupyterHub: apt install npm, and run the same command again." >&2; exit 1; }
	@.venv/bin/uv pip install --quiet --python $(PY) --requirement requirements-hub.lock --constraint requirements.lock
	@npm install --silent --no-fund --no-audit --global --prefix .venv configurable-http-proxy@5.1.0   # runs on Node 18, which Debian and Ubuntu have

hub: hub-packages     # JupyterHub for a class on this Linux machine: as root, see INSTRUCTORS.md
	@.venv/bin/jupyterhub --config classroom/jupyterhub_config.py $(ARGS)

claims: setup         # put every claim on trial again, write course_utils/claims/results.json
	@.venv/bin/course claims $(ARGS)

COMPILE := .venv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --no-annotate --no-header --quiet

# All extras are solved together, so that requirements-*.lock, what each extra needs beyond the course, fit.
lock: setup           # renew all locks within the ranges of pyproject.toml
	@everything=$$(mktemp) && one=$$(mktemp) && \
	    $(COMPILE) --all-extras --upgrade --output-file $$everything >/dev/null && \
	    $(COMPILE) --extra dev --constraint $$everything --upgrade --output-file requirements.lock >/dev/null && \
	    for extra in ray book present hub; do \
	        $(COMPILE) --extra dev --extra $$extra --constraint $$everything --upgrade --output-file $$one >/dev/null && \
	        grep -vxFf requirements.lock $$one >requirements-$$extra.lock || exit 1; \
	    done && rm $$everything $$one
	@$(PYTHON) bootstrap.py

ray: setup            # Ray, for searches on a cluster: 400 MB that nothing else needs
	@.venv/bin/uv pip install --quiet --python $(PY) --requirement requirements-ray.lock --constraint requirements.lock

bench: setup          # how fast fit_many is, into course_utils/tools/measured.json; ARGS="sweep cnn" for two rows
	@.venv/bin/uv pip install --quiet --python $(PY) --group bench --constraint requirements.lock
	@$(PY) -m benchmarks.engine $(ARGS)

bench-search: ray     # trials per minute here, on two processes, on two nodes, into measured.json
	@$(PY) -m benchmarks.search $(ARGS)

bench-notebooks: setup  # seconds per notebook, into course_utils/tools/costs.json; ARGS="07 09" for two
	@$(PY) -m benchmarks.notebooks $(ARGS)

bench-kernel: setup   # seconds to import the package, memory of a lab's kernel, into course_utils/tools/costs.json
	@$(PY) -m benchmarks.kernel

picture: setup        # the pictures of the README, a lab filmed in a real browser, into notebooks/pictures
	@$(PY) -m benchmarks.picture $(ARGS)

bench-load: setup     # memory and waiting times of 1 to 36 learners at once, into INSTRUCTORS.md
	@$(PY) -m benchmarks.load $(ARGS)

bench-labs: setup     # from the slider to the final picture, in a real browser
	@$(PY) -m benchmarks.labs $(ARGS)

clean:
	rm -rf .venv
