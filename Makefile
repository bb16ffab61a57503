# Every target sets itself up from nothing and is quick when nothing changed.
# PYTHON chooses the interpreter: a name (python3.13) or a path. Each has an environment of its own.

PYTHON ?= python3
DB ?= sqlite
SECONDS ?= 60
PPP_EXAMPLES ?= 5000
ROOMS ?= _ledger _engine _runtime _scheduler _pool _scope _proxy
PREEMPTIONS ?= 3
MINUTES ?= 10
# The releases of SQLAlchemy whose own tests are run.
SQLALCHEMY := 2.0.58 2.1.9
VERSIONS := 3.10 3.11 3.12 3.13 3.14 3.15

# An interpreter that crashes says where, those that tests start included.
export PYTHONFAULTHANDLER := 1

# One pip at a time; the checks, in a make of their own, run side by side.
ifeq ($(MAKELEVEL),0)
.NOTPARALLEL:
endif

# The default interpreter lives in .venv, where editors look for it; any other beside it, by its version.
ifneq ($(filter-out help clean,$(MAKECMDGOALS)),)
found := $(shell tools/pythons $(PYTHON))
version := $(firstword $(found))
python := $(lastword $(found))
ifeq ($(version),)
$(error no Python to work with)
endif
endif
ifeq ($(origin PYTHON),file)
VENV := .venv
else
VENV := .venv-$(version)
endif

bin := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
# Quiet about what goes well; one line of ours says what is installed.
pip := $(bin)/python -m pip --disable-pip-version-check -qq
# Its plugin is in tools, and is needed by the interpreters that the tests start as well.
coverage := PYTHONPATH=$(CURDIR)/tools $(bin)/python -m coverage
checked := $(wildcard src stubs tools tests examples benchmarks)
# Directories too: a file that is gone is a change.
sources := $(shell find src -not -name '*.pyc' -not -name __pycache__)

.PHONY: help
help:  ## Say what can be made
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

# Pyright's version is pinned on purpose: no look for a newer one.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

# --- environments: a stamp file says what is installed, and is renewed when pyproject.toml changes

$(VENV)/.python-$(version):
	@echo "== $(VENV): Python $(version)"
	@rm -rf $(VENV)
	@$(python) -m venv $(VENV) > /dev/null 2>&1 || $(python) -m venv --without-pip $(VENV)
	@test -e $(bin)/pip || python3 -m pip -qq install --target \
	  "$$($(bin)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" pip  # it came without
	@$(pip) install --upgrade pip
	@touch $@

$(VENV)/.group-%: $(VENV)/.python-$(version) pyproject.toml
	@echo "== $(VENV): installing the group '$*'"
	@$(pip) install --group $*
	@touch $@

# The wheel, built from the sources and installed as anyone would install it.
$(VENV)/.wheel: $(VENV)/.group-build pyproject.toml LICENSE README.md $(sources)
	@echo "== $(VENV): building and installing the wheel"
	@rm -rf $(VENV)/wheel
	@$(bin)/hatchling build -t wheel -d $(VENV)/wheel
	@$(pip) uninstall -y ProxyPatternPool
	@$(pip) install $(VENV)/wheel/*.whl
	@touch $@

# What a user has: the wheel, what it and its public types need, and nothing else.
$(VENV)/.downstream: $(VENV)/.wheel
	@echo "== $(VENV): the environment of a user"
	@rm -rf $(VENV)/downstream
	@$(python) -m venv --without-pip $(VENV)/downstream
	@$(pip) --python $(VENV)/downstream/bin/python install "$$(echo $(VENV)/wheel/*.whl)[opentelemetry,prometheus,psycopg,sqlalchemy,werkzeug]"
	@touch $@

# A browser, for the tests of pages: a package of the system's, which is not ours to put anywhere else.
$(VENV)/.browser: $(VENV)/.python-$(version) tools/browser
	@tools/browser --install > /dev/null
	@touch $@

# PgBouncer, for the tests of many processes: another. Where it cannot be installed they are skipped, and that is said.
$(VENV)/.pgbouncer: $(VENV)/.python-$(version) tools/pgbouncer
	@tools/pgbouncer --install > /dev/null || [ $$? = 2 ]
	@touch $@

$(VENV)/.oldest: $(VENV)/.python-$(version) pyproject.toml
	@echo "== $(VENV): the oldest mypy"
	@rm -rf $(VENV)/oldest
	@$(python) -m venv --without-pip $(VENV)/oldest
	@$(pip) --python $(VENV)/oldest/bin/python install --group oldest
	@touch $@

# --- what one makes

.PHONY: demo
demo: $(VENV)/.group-demo $(VENV)/.wheel  ## Index the standard library, and search it on a website (DB=sqlite or postgres; ASYNC=1: with tasks; HOLD=1 keeps it up)
	$(bin)/python examples/search_stdlib.py --db $(DB) $(if $(ASYNC),--async) $(if $(HOLD),--hold)

ifeq ($(DB),postgres)
demo: $(VENV)/.group-postgres
endif

# Run without measuring, which doubles what they take: all of the library that they reach is reached by others. Proofs try as
# much as they can in their time; uses start programs that hold pools, and wait for them.
proofs := $(patsubst %,tests/unit/test_%.py,machine interruptions async_interruptions interleavings async_sweep async_proxy_sweep) \
  tests/explore
uses := tests/demo tests/stress tests/wheel \
  $(filter-out %/test_wsgi.py %/test_psycopg.py,$(wildcard tests/servers/test_*.py tests/postgres/test_*.py))
.PHONY: test test-greenlets test-unit test-others test-proofs test-uses
test: check typing $(VENV)/.wheel $(VENV)/.browser $(VENV)/.pgbouncer  ## Check, then test the wheel, all branches covered
	@rm -f .coverage .coverage.*
	@$(MAKE) --no-print-directory --keep-going --jobs=3 --output-sync=target \
	  test-unit test-uses test-proofs test-others test-greenlets
	@$(coverage) combine --quiet
	$(coverage) report

test-unit:
	$(coverage) run -m pytest tests/unit $(addprefix --ignore=,$(proofs))

test-uses:
	$(bin)/python -m pytest $(uses)

test-proofs:
	$(bin)/python -m pytest $(proofs)

# Measured apart: to follow their switches coverage has to import greenlet, without which the rest must work.
test-greenlets:
	$(coverage) run --concurrency=thread,greenlet -m pytest tests/greenlets tests/engines

test-others:
	$(coverage) run -m pytest tests $(addprefix --ignore=,tests/engines tests/explore tests/greenlets tests/typing tests/unit $(uses))

# Both check all of it for the oldest Python and the newest, and mypy the library for those between them.
ends := $(firstword $(VERSIONS)) $(lastword $(VERSIONS))

.PHONY: check lint imports generated steps
check: $(VENV)/.group-lint $(VENV)/.group-types  ## Lint, types for every Python, import law, what is generated, steps
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target \
	  $(ends:%=pyright-%) $(VERSIONS:%=mypy-%) lint imports generated steps

lint: $(VENV)/.group-lint
	$(bin)/ruff check .
	$(bin)/ruff format --check .

# On the source tree, so that the law is checked before a wheel is built.
imports: $(VENV)/.group-lint
	PYTHONPATH=src $(bin)/lint-imports --no-logo

generated: $(VENV)/.group-lint
	$(bin)/python -m tools.generate --check
	$(bin)/python -m tools.house --check
	$(bin)/python -m benchmarks.pages --check

# No step of the engine waits on the way of an exception: a task that is cancelled for good could not.
steps: $(VENV)/.python-$(version)
	$(bin)/python tools/waits_on_errors.py

mypy-%: $(VENV)/.group-types
	$(bin)/mypy --python-version $* $(if $(filter $*,$(ends)),$(checked),src)

pyright-%: $(VENV)/.group-types
	$(bin)/pyright --pythonversion $* --pythonpath $(bin)/python

.PHONY: generate
generate: $(VENV)/.group-lint  ## Write signatures, docstrings and tables from tools/parameters.py; pictures from the sources
	$(bin)/python -m tools.generate
	$(bin)/python -m tools.house

.PHONY: typing
typing: $(VENV)/.group-types $(VENV)/.downstream $(VENV)/.oldest  ## What checkers and editors see who have the wheel alone
	$(bin)/python -m pytest tests/typing

.PHONY: docs
docs: $(VENV)/.group-docs $(VENV)/.wheel  ## Build the site, build/site/index.html, with Python 3.11 or later: any warning, or a link to nowhere, is an error
	$(bin)/python -m tools.site build/pages
	$(bin)/python -m sphinx --quiet --fail-on-warning --keep-going -c docs -d build/doctrees build/pages build/site

.PHONY: bench
bench: $(VENV)/.group-benchmarks$(if $(filter %t,$(version)),-threads) $(VENV)/.wheel  ## Measure against other pools, on PYTHON
	$(bin)/python -m benchmarks

.PHONY: stress
stress: $(VENV)/.group-unit $(VENV)/.wheel  ## Stress for SECONDS (replayed with SEED), then more of what proofs try
	SECONDS=$(SECONDS) $(if $(SEED),SEED=$(SEED)) $(bin)/python -W error -m tests.stress
	PPP_EXAMPLES=$(PPP_EXAMPLES) $(bin)/python -m pytest tests/unit -k machine --timeout=0
	PPP_EVERY=1 $(bin)/python -m pytest $(patsubst %,tests/unit/test_%.py,async_interruptions faults transparency)

.PHONY: explore
explore: $(VENV)/.group-explore $(VENV)/.wheel  ## Try all interleavings of threads at a small pool, up to PREEMPTIONS, for MINUTES (AMONG="borrow ret drop")
	$(bin)/python -m tests.explore --preemptions $(PREEMPTIONS) --minutes $(MINUTES) --among "$(AMONG)"

.PHONY: fuzz
fuzz: $(VENV)/.group-tests $(VENV)/.wheel  ## Try texts, errors, requests and answers of all sorts: PPP_EXAMPLES of each
	PPP_EXAMPLES=$(PPP_EXAMPLES) $(bin)/python -m pytest tests/fuzz --timeout=0

.PHONY: unit
unit: $(VENV)/.group-unit $(VENV)/.wheel  ## The unit tests and a short stress alone: on any system, for any Python
	$(bin)/python -m pytest tests/unit
	SECONDS=5 $(bin)/python -W error -m tests.stress

.PHONY: matrix
matrix: $(VENV)/.wheel  ## The tests on all other CPythons found; 3.14, 3.15 and a free-threaded one are brought first
	tools/matrix $(bin)/python $(VENV)/wheel/*.whl

.PHONY: peers
peers: $(VENV)/.wheel  ## SQLAlchemy's own tests of its pools, with ours in the place of its QueuePool
	tools/peers $(bin)/python $(VENV)/wheel/*.whl $(SQLALCHEMY)

# On the source tree. The exit status says whether the tests notice enough.
.PHONY: mutants
mutants: $(VENV)/.group-mutants  ## Change the library in one place at a time, and see whether the unit tests notice: hours (ROOMS=_ledger)
	PYTHONPATH=src $(bin)/python -m tools.mutants $(ROOMS)

.PHONY: dist
dist: $(VENV)/.group-dist  ## Build the sdist and the wheel into dist, check them, install both and run the quick start
	@$(bin)/python -m tools.dist $(VENV)/dist

.PHONY: clean
clean:  ## Remove all that was made
	rm -rf .venv* .matrix .peers .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -prune -exec rm -rf {} +
