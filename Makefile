# `make run` and `make test`, and for each change `make quick`. All make sure of what they need, and say so where they cannot.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
WITH_FAKES = PYTHONPATH=tests:tests/fakes $(BIN)/python

.PHONY: run test test-programs test-machine quick check wheel clean needs

run: $(VENV)/.installed
	@if [ "$$(id -u)" = 0 ]; then exec $(BIN)/irqbal daemon -c etc/irqbal.yaml; \
	else echo "not root: a dry run, nothing is written"; exec $(BIN)/irqbal daemon -c etc/irqbal.yaml --dry-run; fi

# As root: everything. As another user: all but what only root may do, which is skipped with its reason.
# The unit tests, which only compute, run beside the tests of programs, which mostly wait; what they print comes at their end.
test: needs $(VENV)/.installed-test
	@$(MAKE) --no-print-directory --jobs=2 --keep-going test-units test-all-programs

.PHONY: test-units test-all-programs
test-units:
	@mkdir -p build
	@$(BIN)/python -m pytest tests/unit >build/unit-tests.log 2>&1; status=$$?; cat build/unit-tests.log; exit $$status

test-all-programs:
	@$(BIN)/python -m pytest tests/process tests/system tests/vm tests/browser tests/long

# The two halves of it, for who has more CPUs than two: side by side a virtual machine may lose its connection there.
test-programs: $(VENV)/.installed-test
	$(BIN)/python -m pytest tests/process tests/unit

test-machine: $(VENV)/.installed-test
	$(BIN)/python -m pytest tests/system tests/vm tests/browser

# The unit tests and the checks, two at a time: any user, no server, no browser; nothing of this machine is touched.
quick: $(VENV)/.installed-test
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target types unit style

check: types style types-contrib

.PHONY: types unit style types-contrib
types: $(VENV)/.installed-test
	MYPYPATH=tests:tests/fakes:tests/tools:tests/bench $(BIN)/mypy $$(git ls-files "irqbal/*.py" "policies/*.py" "tests/*.py")

unit: $(VENV)/.installed-test
	$(BIN)/python -m pytest -q tests/unit

style: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check irqbal policies contrib tests

# Each is a project of its own, as it is for those who copy it.
types-contrib: $(VENV)/.installed-test
	for each in contrib/*/pyproject.toml; do (cd $$(dirname $$each) && MYPYPATH=../..:../../policies ../../$(BIN)/mypy --strict --explicit-package-bases *.py) || exit 1; done

wheel: $(VENV)/.installed-test
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/*.whl

# The manual pages, from what --help and the configuration's keys say; a test holds man/ to it.
.PHONY: man deb
man: $(VENV)/.installed
	$(BIN)/python -m irqbal.manpages man

# A Debian package with all that it needs but Python, in dist/.
deb:
	@sh packaging/deb/build.sh dist

needs:
	@sh tests/needs.sh

# pip is given three tries: a download that fails once mostly succeeds the next time.
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "irqbal needs Python 3.11 or later; set PYTHON=" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: apt-get install python3-venv" >&2; exit 1; }
	@for try in 1 2 3; do $(BIN)/pip install --quiet -e '.[mongodb]' && break; [ $$try = 3 ] && exit 1; sleep 5; done
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@for try in 1 2 3; do $(BIN)/pip install --quiet -e '.[test,check]' && break; [ $$try = 3 ] && exit 1; sleep 5; done
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Long, and printed rather than asserted.
.PHONY: bench
bench: $(VENV)/.installed-test
	$(WITH_FAKES) tests/bench/history.py
	$(WITH_FAKES) tests/bench/mongodb.py
	$(WITH_FAKES) tests/bench/api.py
	$(WITH_FAKES) tests/bench/daemon.py
	$(WITH_FAKES) tests/bench/strangers.py

# irqbal beside irqbalance under traffic that is never at rest, in compressed time; under an hour, and goes on where it was ended.
.PHONY: bench-balance
bench-balance: needs $(VENV)/.installed-test
	$(WITH_FAKES) tests/bench/balance.py

# The same on a real kernel of 64 CPUs under QEMU, with traffic; a quarter of an hour.
.PHONY: bench-vm
bench-vm: needs $(VENV)/.installed-test
	$(WITH_FAKES) tests/bench/real_kernel.py

# Minutes rather than seconds: a hundred kills of the daemon, a minute of kills of MongoDB.
# Every test on a real kernel runs here on each of the kernels, `make test` runs it on one.
.PHONY: long
long: needs $(VENV)/.installed-test
	IRQBAL_LONG=1 $(BIN)/python -m pytest tests/system/test_history_daemon.py tests/process/test_mongodb_kills.py -k killed
	$(BIN)/python -m pytest -m 'long or vm'

# Thousands of made-up requests that the OpenAPI document allows, or does not, with a token and without; minutes.
.PHONY: schemathesis
schemathesis: needs $(VENV)/.installed-test
	$(WITH_FAKES) tests/tools/schemathesis_run.py 60

# 200 slow clients and 1,000 requests a second for half a minute: what becomes of the cycles.
.PHONY: load
load: needs $(VENV)/.installed-test
	$(WITH_FAKES) tests/tools/api_load.py 30

# Pictures of the dashboard for the documents, from a made-up host.
.PHONY: screenshots
screenshots: needs $(VENV)/.installed-test
	$(WITH_FAKES) tests/tools/screenshots.py
