# The two commands of the course: `make lab` opens it, `make test` tests it. Both set it up first, `make lab` with
# requirements.lock alone, which is all that learners need; `make test` with requirements-dev.lock, too.
# Options for JupyterLab or pytest go through ARGS: make lab ARGS="--no-browser --port 8899"

PY := .venv/bin/python
# The Python that set the course up, while it is there; else python3.
PYTHON ?= $(if $(shell test -x $(PY) && test -e .venv/installed && echo yes),$(PY),python3)
ARGS ?=
# Adds a lock to .venv and leaves what is there as it is.
ADD := $(PY) -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --requirement
# Nobody who starts to learn is told how TensorFlow was compiled.
export TF_CPP_MIN_LOG_LEVEL ?= 1

.PHONY: lab test quick coverage build book book-packages present present-packages voila claims measure lint lock ray bench bench-search bench-notebooks bench-kernel bench-labs bench-load bench-data data-page emoji mnist1d pretrained hub hub-packages lab-pictures picture bundle classroom test-oldest mutants setup setup-dev clean

setup setup-dev:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here: install Python 3.11, 3.12 or 3.13 and run the same command again." >&2; exit 1; }
	@$(PYTHON) bootstrap.py $(if $(filter setup-dev,$@),--dev)

lab: setup
	@.venv/bin/jupyter lab --allow-root --LabApp.default_url=/lab/tree/notebooks/00_welcome.ipynb $(ARGS)

# Two processes share the files of tests: tests/conftest.py. ARGS="-n 0" for one, e.g. for a debugger.
test: setup-dev lint  # everything but the audit: the package, the notebooks, the browser; at most 20 minutes
	@$(PY) -m pytest tests -n 2 -m "not audit" $(ARGS)

quick: setup-dev      # no notebooks, no browser, nothing slow; at most 3 minutes
	@$(PY) -m pytest tests -n 2 -m "not notebooks and not browser and not slow and not audit" $(ARGS)

audit: setup-dev      # everything that takes longer; it can be stopped and goes on where it was; ARGS="stories" for a part
	@$(PY) -m tests.audit $(ARGS)

coverage: setup-dev   # which lines the tests run, as pages in build/coverage
	@$(PY) -m pytest tests -n 2 -m "not audit" --cov=course_utils --cov-report=html:build/coverage $(ARGS)

mutants: setup-dev    # mistakes made from the solutions that the checks of the exercises don't notice; ARGS="3.1" for a question
	@$(PY) -W ignore -m tests.mutants $(ARGS)

# With the oldest versions that pyproject.toml allows, in an environment of their own: the engine against Keras, the
# checks of the exercises, the answers to them, and the template for the data of learners.
test-oldest: setup-dev
	@.venv/bin/uv venv --quiet --allow-existing --python $(PY) .venv-oldest
	@.venv/bin/uv pip install --quiet --python .venv-oldest --resolution lowest-direct --editable ".[dev]"
	@.venv-oldest/bin/python -m pytest tests/training tests/checks tests/tools/test_judging.py \
	    tests/notebooks/test_template.py $(ARGS)

lint: setup-dev       # what .pre-commit-config.yaml checks before a commit
	@.venv/bin/ruff check --quiet
	@.venv/bin/ruff format --check --quiet
	@contracts=$$(.venv/bin/lint-imports --no-cache --no-logo) || { echo "$$contracts"; exit 1; }
	@! command -v actionlint >/dev/null || actionlint

build: setup          # text twins -> notebooks with outputs; ARGS="07" for one
	@.venv/bin/course build $(ARGS)

book-packages: setup  # Sphinx and what else only the book needs
	@$(ADD) requirements-book.lock

# The states of the labs are kept in build/book-labs: some minutes the first time, and after a change to a lab.
book: book-packages   # all lectures as a static site in build/book, for readers without a kernel
	@$(PY) -m book.states
	@rm -rf build/book
	@$(PY) -m sphinx --quiet --fail-on-warning --keep-going --fresh-env --conf-dir book --doctree-dir build/book-doctrees notebooks build/book
	@echo "The book is ready: open build/book/index.html."

present-packages: setup   # Voila
	@$(ADD) requirements-present.lock

present: setup        # a lecture for a projector, with your notes on a second page: make present ARGS="07"
	@.venv/bin/course present $(ARGS)

voila: present-packages   # labs as pages without code; ARGS="batch_norm" for one
	@.venv/bin/course voila $(ARGS)

hub-packages: setup   # JupyterHub with its proxy, which npm installs
	@command -v npm >/dev/null || { echo "There is no npm here, which installs the proxy of JupyterHub: apt install npm, and run the same command again." >&2; exit 1; }
	@$(ADD) requirements-hub.lock
	@npm install --silent --no-fund --no-audit --global --prefix .venv configurable-http-proxy@5.1.0   # runs on Node 18, which Debian and Ubuntu have

hub: hub-packages     # JupyterHub for a class on this Linux machine: as root, see INSTRUCTORS.md
	@.venv/bin/jupyterhub --config classroom/jupyterhub_config.py $(ARGS)

# For a room without a network: copy the folder to each machine, and `make lab` there installs from its wheels.
bundle: setup         # the course as it is in git, and its packages for this system and this Python, in build/bundle
	@rm -rf build/bundle && mkdir -p build/bundle
	@git archive HEAD | tar -x -C build/bundle
	@$(PY) -m pip wheel --quiet --disable-pip-version-check --wheel-dir build/bundle/wheels --requirement requirements.lock
	@echo "The bundle is ready: copy build/bundle ($$(du -sh build/bundle | cut -f1)), and run \`make lab\` in the copy."

# Without the tests, which quote the solutions, and without the last hint of each question, which is half the answer.
classroom:            # the course as it is in git, without the solutions, in build/classroom: see INSTRUCTORS.md
	@rm -rf build/classroom && mkdir -p build/classroom
	@git archive HEAD . ':!solutions' ':!tests' | tar -x -C build/classroom
	@sed -i.bak '/^last = /d' build/classroom/course_utils/checks/keys/*.toml
	@rm build/classroom/course_utils/checks/keys/*.bak
	@echo "The copy for learners is ready: build/classroom."

claims: setup         # measure what is left of the registered claims, and try the older ones again
	@.venv/bin/course claims $(ARGS)

measure: setup        # long measurements whose results are stored; resumable; ARGS="scratch" for a group, "dropout" for a row
	@$(PY) -m course_utils.tools.measure $(ARGS)

COMPILE := .venv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --no-annotate --no-header --quiet

# All extras are solved together, so that requirements-*.lock, what each extra needs beyond the course, fit.
lock: setup-dev       # renew all locks within the ranges of pyproject.toml
	@everything=$$(mktemp) && one=$$(mktemp) && \
	    $(COMPILE) --all-extras --upgrade --output-file $$everything >/dev/null && \
	    $(COMPILE) --constraint $$everything --upgrade --output-file requirements.lock >/dev/null && \
	    for extra in dev ray book present hub; do \
	        $(COMPILE) --extra $$extra --constraint $$everything --upgrade --output-file $$one >/dev/null && \
	        grep -vxFf requirements.lock $$one >requirements-$$extra.lock || exit 1; \
	    done && rm $$everything $$one
	@$(PYTHON) bootstrap.py --dev

ray: setup            # Ray, for searches on a cluster: 400 MB that nothing else needs
	@$(ADD) requirements-ray.lock

bench: setup-dev      # how fast fit_many is, into course_utils/tools/measured.json; ARGS="sweep cnn" for two rows
	@.venv/bin/uv pip install --quiet --python $(PY) --group bench --constraint requirements.lock
	@$(PY) -m benchmarks.engine $(ARGS)

bench-search: ray     # trials per minute here, on two processes, on two nodes, into measured.json
	@$(PY) -m benchmarks.search $(ARGS)

bench-notebooks: setup  # seconds per notebook, into course_utils/tools/costs.json; ARGS="07 09" for two
	@$(PY) -m benchmarks.notebooks $(ARGS)

bench-kernel: setup   # seconds to import the package, memory of a lab's kernel, into course_utils/tools/costs.json
	@$(PY) -m benchmarks.kernel

pretrained: setup-dev # the weights of EfficientNet-Lite0 out of PyTorch's format, into course_utils/pretrained
	@$(PY) -m course_utils.tools.pretrained_weights

lab-pictures: setup   # what each lab shows while its own networks are still training, into course_utils/labs/stored
	@$(PY) -m course_utils.labs.stored

picture: setup-dev    # the pictures of the README, a lab filmed in a real browser, into notebooks/pictures
	@$(PY) -m benchmarks.picture $(ARGS)

bench-load: setup-dev # memory and waiting times of 1 to 36 learners at once, into INSTRUCTORS.md
	@$(PY) -m benchmarks.load $(ARGS)

bench-labs: setup-dev # from the slider to the final picture, in a real browser
	@$(PY) -m benchmarks.labs $(ARGS)

bench-data: setup-dev # fit_many and model.fit on data from outside the course: difference and speed; ARGS="text" for one
	@$(PY) -m benchmarks.own_data $(ARGS)

data-page: setup-dev  # the pictures and baselines of notebooks/data.md; ARGS="emoji digits" for two data sets
	@$(PY) -m benchmarks.data_page $(ARGS)

emoji: setup          # the files of datasets.emoji, from two npm packages of 140 MB
	@command -v npm >/dev/null || { echo "There is no npm here, which has the drawings: apt install npm, and run the same command again." >&2; exit 1; }
	@rm -rf build/emoji && mkdir -p build/emoji
	@cd build/emoji && npm pack --silent emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0 >/dev/null
	@$(PY) -m course_utils.tools.emoji_sheets build/emoji

mnist1d: setup-dev    # the file of datasets.mnist1d, from the package of its author
	@.venv/bin/uv run --quiet --no-project --python $(PY) --with mnist1d==0.0.2.post1 python -m benchmarks.mnist1d_signals

clean:
	rm -rf .venv .venv-oldest
