# `make demo` and `make test` do all the set-up they need. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
UV := $(BIN)/uv
export UV_PYTHON_DOWNLOADS := never
export UV_LINK_MODE := copy
export SAM_CLI_TELEMETRY := 0

VENV := $(UV) venv --quiet --allow-existing --python $(BIN)/python
SYNC := $(UV) pip sync --quiet --require-hashes
LOCK := $(UV) pip compile --quiet --upgrade --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header
INSTALLED := .venv/.installed .runtimes/sam/.installed .runtimes/lambda/.installed \
	.runtimes/training/.installed .runtimes/inference/.installed
RIVAL := .runtimes/paddleocr/.installed
SERVING_RIVALS := .runtimes/serving-rivals/.installed
CHECKOV := .runtimes/checkov/.installed
PIPELINES := .runtimes/pipelines/.installed
BROWSER := $(firstword $(shell command -v chromium chromium-browser google-chrome))
# Options of a benchmark: make bench-training ARGS="--domains cyrillic --sizes 200 --seeds 1"
ARGS ?=

.PHONY: help setup demo test test-unit test-stack test-containers test-browser no-browser \
	test-integration test-compatibility test-pipelines setup-pipelines \
	bench-training bench-rounds bench-ablation \
	bench-convolutions bench-validation bench-verdict bench-serving fuzz-serving chaos images-cpu \
	images-gpu sbom test-images prove-aws check lint types templates format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: $(INSTALLED) ## install everything, run nothing

demo: setup ## run the whole loop here, for real: drop labelled data, get a better model served
	$(BIN)/ocr-retrain demo

test: test-unit $(if $(BROWSER),test-browser,no-browser) test-integration test-compatibility ## all tests

test-unit: setup ## fast tests of every part, each in the runtime it ships with, two runtimes at a time
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-stack test-containers

test-stack:
	$(BIN)/python -m pytest tests/unit tests/hostile tests/chaos --ignore tests/unit/serving --ignore tests/unit/training --ignore tests/unit/recognition

test-containers:
	.runtimes/training/bin/python -m pytest tests/unit/training tests/unit/recognition
	.runtimes/inference/bin/python -m pytest tests/unit/serving

test-browser: setup ## the report as Chromium shows it, on a phone and on paper; Chromium must be installed
	$(BIN)/python -m pytest tests/browser

no-browser:
	@echo "*** NO BROWSER: nothing looks at the report. Install chromium (apt-get install chromium). ***"

test-integration: setup ## the whole loop on a local cloud with the real trainer on a tiny model
	$(BIN)/python -m pytest tests/integration

test-compatibility: setup $(RIVAL) ## PaddleOCR's own tools read our models as we do
	$(BIN)/python -m pytest tests/compatibility

setup-pipelines: $(PIPELINES) ## install the SageMaker SDK, for `python -m pipelines`; 700 MB

test-pipelines: setup $(PIPELINES) ## the SageMaker pipeline: its definition, and executions of it, here; minutes
	$(BIN)/python -m pytest tests/pipelines

chaos: setup ## thousands of faults in the event path: is anything lost or started twice? half an hour
	$(BIN)/python -m tests.chaos $(ARGS)

bench-training: setup $(RIVAL) ## our training against PaddleOCR's own, same data, ten times our time
	$(BIN)/python -m benchmarks.training $(ARGS)

bench-rounds: setup ## five datasets one after the other through the loop: what is forgotten?
	$(BIN)/python -m benchmarks.rounds $(ARGS)

bench-ablation: setup ## our training with one mechanism at a time switched off
	$(BIN)/python -m benchmarks.ablation $(ARGS)

bench-convolutions: setup ## a training step with compiled convolutions and with Paddle's
	$(BIN)/python -m benchmarks.convolutions $(ARGS)

bench-validation: setup ## a drop of a million lines: seconds and memory as it grows; minutes
	$(BIN)/python -m benchmarks.validation $(ARGS)

bench-verdict: setup ## how often the verdict errs, on equal and on worse candidates; half a minute
	$(BIN)/python -m benchmarks.verdict $(ARGS)

bench-serving: setup $(SERVING_RIVALS) ## our server against Flask with PaddleOCR and FastAPI with RapidOCR
	$(BIN)/python -m benchmarks.serving $(ARGS)

fuzz-serving: setup ## broken images and requests for our server by the hundred thousand; minutes
	PYTHONPATH=.:containers/shared:containers/inference \
		.runtimes/inference/bin/python -m tests.fuzz $(ARGS)

images-cpu: setup ## both images for CPUs, with Docker, else with buildah; see docs/images.md
	$(BIN)/python -m tools.container_images build --device cpu $(ARGS)

images-gpu: setup ## both images for GPUs
	$(BIN)/python -m tools.container_images build --device gpu $(ARGS)

sbom: setup ## what is in the CPU images, as CycloneDX below build/sbom
	$(BIN)/python -m tools.container_images sbom $(ARGS)

test-images: setup ## train, evaluate and serve in the CPU images as SageMaker does, without a network
	$(BIN)/python -m pytest tests/images

prove-aws: setup $(CHECKOV) ## what an AWS account would check, checked without one; see docs/proof.md
	$(BIN)/python -m tools.prove $(ARGS)

check: lint types templates ## everything that needs no running code

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/hadolint containers/*/Dockerfile
	$(BIN)/zizmor --quiet --offline --no-progress .github

types: setup
	$(BIN)/mypy cli local functions tools benchmarks pipelines containers/shared containers/training
	$(BIN)/mypy --python-executable .runtimes/inference/bin/python containers/shared containers/inference

templates: setup
	$(BIN)/cfn-lint template.yaml images.yaml
	AWS_DEFAULT_REGION=us-east-1 .runtimes/sam/bin/sam validate --lint
	$(BIN)/python -m tools.lint_state_machines
	$(BIN)/python -m tools.prove --static

format: setup ## rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: .venv/.installed ## renew every lock file from its .in file
	for name in requirements-bootstrap pipelines/requirements \
		local/sam-requirements local/lambda-runtime-requirements \
		functions/requirements containers/training/requirements containers/inference/requirements \
		containers/inference/requirements-gpu benchmarks/paddleocr-requirements \
		benchmarks/serving/requirements tools/prove/checkov-requirements; do \
		$(LOCK) $$name.in -o $$name.txt; done
	for image in training inference; do \
		$(LOCK) --constraints containers/$$image/requirements.txt \
			containers/$$image/requirements-test.in -o containers/$$image/requirements-test.txt; done
	$(LOCK) requirements-dev.in -o requirements.txt
	for name in requirements-nodeps containers/training/requirements-nodeps \
		containers/inference/requirements-nodeps benchmarks/requirements-nodeps \
		benchmarks/paddleocr-requirements-nodeps benchmarks/paddleocr-requirements-headless \
		benchmarks/serving/requirements-nodeps benchmarks/serving/requirements-headless; do \
		$(LOCK) --no-deps $$name.in -o $$name.txt; done

clean: ## remove everything that was installed or built
	rm -rf .venv .runtimes .cache .local-cloud .aws-sam demo-results

# --- environments: one for the tools, one for what AWS provides, one for each container image, and
# --- one with PaddleOCR as its users have it ------------------------------------------------------
.venv/.installed: requirements.txt requirements-nodeps.txt benchmarks/requirements-nodeps.txt \
		requirements-bootstrap.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Python 3.11 is needed: make PYTHON=/path/to/python3.11")'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.txt
	$(SYNC) --python $(BIN)/python requirements.txt requirements-nodeps.txt \
		benchmarks/requirements-nodeps.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

.runtimes/sam/.installed: local/sam-requirements.txt .venv/.installed
	$(VENV) .runtimes/sam
	$(SYNC) --python .runtimes/sam local/sam-requirements.txt
	touch $@

.runtimes/lambda/.installed: local/lambda-runtime-requirements.txt .venv/.installed
	$(VENV) .runtimes/lambda
	$(SYNC) --python .runtimes/lambda local/lambda-runtime-requirements.txt
	touch $@

.runtimes/%/.installed: containers/%/requirements-test.txt containers/%/requirements-nodeps.txt .venv/.installed
	$(VENV) .runtimes/$*
	$(SYNC) --python .runtimes/$* containers/$*/requirements-test.txt containers/$*/requirements-nodeps.txt
	touch $@

$(PIPELINES): pipelines/requirements.txt .venv/.installed
	$(VENV) .runtimes/pipelines
	$(SYNC) --python .runtimes/pipelines pipelines/requirements.txt
	touch $@

$(SERVING_RIVALS): benchmarks/serving/requirements.txt benchmarks/serving/requirements-nodeps.txt \
		benchmarks/serving/requirements-headless.txt .venv/.installed
	$(VENV) .runtimes/serving-rivals
	$(SYNC) --python .runtimes/serving-rivals benchmarks/serving/requirements.txt \
		benchmarks/serving/requirements-nodeps.txt
	$(UV) pip install --quiet --require-hashes --no-deps --reinstall \
		--python .runtimes/serving-rivals -r benchmarks/serving/requirements-headless.txt
	touch $@

$(CHECKOV): tools/prove/checkov-requirements.txt .venv/.installed
	$(VENV) .runtimes/checkov
	$(SYNC) --python .runtimes/checkov tools/prove/checkov-requirements.txt
	touch $@

$(RIVAL): benchmarks/paddleocr-requirements.txt benchmarks/paddleocr-requirements-nodeps.txt \
		benchmarks/paddleocr-requirements-headless.txt .venv/.installed
	$(VENV) .runtimes/paddleocr
	$(SYNC) --python .runtimes/paddleocr benchmarks/paddleocr-requirements.txt \
		benchmarks/paddleocr-requirements-nodeps.txt
	$(UV) pip install --quiet --require-hashes --no-deps --reinstall --python .runtimes/paddleocr \
		-r benchmarks/paddleocr-requirements-headless.txt
	touch $@
