# make demo    the first thing to try: a language model optimizes two problems in this terminal
# make ui      the page, with what make demo found
# make test    what proves the workbench (fetches the default model once); JOBS processes at once
# make test-slow  what takes longer: the README's main job with the default model, and long trials of faults
# make test-vllm  the vLLM backend, with vLLM's CPU build in an environment of its own (large, made once)
# make test-install  what users install: every extra resolved on every Python, and the core alone in an environment
# make check   format, lint, types and import layers
# make screenshots  the pictures of docs/page/, from the store in STORE (needs Chromium)
# make bench   the measurements of BENCHMARKS.md (hours; see there for single ones)

PYTHON ?= python3
VENV ?= .venv
VLLM_VENV ?= .venv-vllm
BIN := $(VENV)/bin
INSTALL := PYTHON=$(PYTHON) scripts/install.sh $(VENV)
STORE := demo.db
JOBS := 2

.PHONY: demo ui test test-slow test-vllm test-install check bench screenshots clean

$(BIN)/opro: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it: make PYTHON=python3.12")'
	$(INSTALL) local
	touch $@

$(VENV)/ui: $(BIN)/opro
	$(INSTALL) ui
	touch $@

$(VENV)/dev: $(BIN)/opro
	$(INSTALL) all,dev
	touch $@ $(VENV)/ui

demo: $(BIN)/opro
	$(BIN)/opro run linear-regression --steps 15 --store $(STORE)
	$(BIN)/opro run tsp --set n=10 --steps 30 --store $(STORE)
	@echo
	@echo "The command is $(BIN)/opro; after 'source $(BIN)/activate' it is plain opro, also elsewhere."
	@echo "Look closer:   $(BIN)/opro list --store $(STORE)"
	@echo "               $(BIN)/opro show RUN --step 3 --store $(STORE)"
	@echo "Open the page: make ui        (fetches about 130 MB, once)"

ui: $(VENV)/ui
	$(BIN)/opro ui --store $(STORE)

test: $(VENV)/dev
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

test-slow: $(VENV)/dev
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest -m slow

test-vllm:
	PYTHON=$(PYTHON) scripts/vllm_env.sh $(VLLM_VENV)
	OMP_WAIT_POLICY=passive $(VLLM_VENV)/bin/python -m pytest -m vllm tests/conformance/test_language_models.py tests/vllm

test-install: $(VENV)/dev
	PYTHON=$(PYTHON) scripts/check_install.sh
	$(BIN)/python -m pytest -m install tests/install

check: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

screenshots: $(VENV)/dev
	$(BIN)/python scripts/screenshots.py $(STORE) docs/page

bench: $(VENV)/dev
	for name in linear_regression tsp overhead local_model openai throughput racing page update_rules; do \
		$(BIN)/python -m tests.bench.bench_$$name || exit 1; done
	@echo "bench_scoring, bench_reading, bench_vllm, bench_instructions and bench_loop want data, models or servers, bench_equations hours: see BENCHMARKS.md"

clean:
	rm -rf $(VENV) $(VLLM_VENV)
