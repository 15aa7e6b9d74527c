# Every target sets up what it needs: Python 3.11 and make are all a new machine must have.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-all flink-test torch-test image-test runners check bench lock weights wheel image clean
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
BEAM := $(shell sed -n 's/^apache-beam==\([0-9.]*\).*/\1/p' requirements.lock)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(VENV)/ready ## make .venv with the locked packages, and fetch the local model's weights

$(VENV)/ready: requirements-dev.lock requirements-uv.lock pyproject.toml deploy/install_locked.py
	@echo "set-up 1 of 3: a virtual environment in $(VENV), by $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)
	@echo "set-up 2 of 3: $$(grep -c == requirements-dev.lock) packages of requirements-dev.lock, by uv"
	@$(BIN)/python deploy/install_locked.py requirements-dev.lock .
	@echo "set-up 3 of 3: the local model's weights"
	@$(BIN)/python -m facebeam.transforms.local_model.fetch_weights
	@touch $@

weights: $(VENV)/ready ## fetch the local model's weights again, checked by their sha256
	$(BIN)/python -m facebeam.transforms.local_model.fetch_weights

.photos/ready: examples/fetch_photos.py | $(VENV)/ready
	@echo "fetching the photographs of the demo and the tests"
	@$(BIN)/python examples/fetch_photos.py .photos
	@touch $@

demo: $(VENV)/ready .photos/ready ## annotate real photographs with the local model into demo-out/, and show it
	rm -rf demo-out
	$(BIN)/facebeam annotate --source local --manifest examples/photos.csv --output demo-out \
	    --allow-local-files --max-failure-share 0.25
	$(BIN)/python examples/show_tables.py demo-out
	$(BIN)/python examples/compare_sources.py demo-out

# What a worker's image holds, without an engine to build it: the lock and our wheel, and no source tree.
.worker/ready: requirements.lock pyproject.toml $(shell find schemas transforms pipelines runners -name '*.py') | $(VENV)/ready
	@echo "making .worker, the environment of a cluster's workers: the packages of requirements.lock and our wheel"
	@test -x .worker/bin/python || $(PYTHON) -m venv .worker
	@rm -rf .worker/wheel
	@$(BIN)/python -m build --wheel --no-isolation --outdir .worker/wheel >/dev/null
	@$(BIN)/python deploy/install_locked.py requirements.lock .worker/wheel/*.whl --into .worker/bin/python
	@touch $@

# Beam's Go programs, where Go can build them: the boot program of its worker images, and the Prism runner.
.boot/ready: requirements.lock
	@mkdir -p .boot
	@if command -v go >/dev/null; then for program in python/container go/cmd/prism; do \
	    echo "building Beam's $$program with Go: takes a minute or two"; \
	    GOBIN="$(CURDIR)/.boot" go install github.com/apache/beam/sdks/v2/$$program@v$(BEAM) || \
	    echo "Go cannot build Beam's $$program: the tests that need it are skipped" >&2; done; \
	else echo "no Go here: the tests that need Beam's Go programs are skipped"; fi
	@touch $@

# A stand-in for Google's object store, in an environment of its own: its packages are none of ours.
.emulator/ready: tests/emulator.lock | $(VENV)/ready
	@echo "making .emulator, a stand-in for Google's object store"
	@test -x .emulator/bin/python || $(PYTHON) -m venv .emulator
	@$(BIN)/python deploy/install_locked.py tests/emulator.lock --into .emulator/bin/python
	@touch $@

# The libraries of docs/read.md, in environments of their own: their packages are none of ours. They are started
# once or twice, so that they need no bytecode beforehand.
.readers/ready: tests/readers.lock | $(VENV)/ready
	@echo "making .readers, with polars, DuckDB, Spark, pycocotools, Datumaro and Hugging Face's datasets: 1 GB on disk"
	@test -x .readers/bin/python || $(PYTHON) -m venv .readers
	@UV_COMPILE_BYTECODE=0 $(BIN)/python deploy/install_locked.py tests/readers.lock --into .readers/bin/python
	@touch $@

.torch/ready: tests/torch.lock | $(VENV)/ready
	@echo "making .torch, with torch and the CUDA libraries that its wheels ask for: 5 GB on disk"
	@test -x .torch/bin/python || $(PYTHON) -m venv .torch
	@UV_COMPILE_BYTECODE=0 $(BIN)/python deploy/install_locked.py tests/torch.lock --into .torch/bin/python
	@touch $@

# The versions of pip that a user's Python may bring, and uv: for the tests of the set-up itself.
.pips/ready: $(wildcard tests/pips/*.lock) requirements-uv.lock | $(VENV)/ready
	@echo "fetching the versions of pip that the set-up is tested with"
	@rm -rf .pips
	@for lock in $^; do $(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps \
	    --only-binary=:all: --require-hashes -r $$lock -d .pips || exit 1; done
	@touch $@

# Tests wait more than they compute: three processes keep two cores busy.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadscope

test: $(VENV)/ready .photos/ready ## run the tests that a change needs: some minutes
	$(PYTEST) -m "not slow" --junitxml=.reports/test.xml
	@touch .tested

test-slow: $(VENV)/ready .photos/ready .worker/ready .boot/ready .emulator/ready .readers/ready .pips/ready ## run the tests that 'make test' leaves out: engines, set-up and what takes long
	$(PYTEST) -m slow --junitxml=.reports/test-slow.xml

test-all: test test-slow ## run all tests but Flink's and torch's

.tested: $(shell find * -type f -not -path 'demo-out/*' -not -path 'dist/*' -not -path '*/__pycache__/*')
	$(MAKE) test

# The versions of Flink to test on: their jars from PyPI, by their sha256; and Beam's job server put together by Maven.
.flink/ready: tests/engines/flink/pom.xml $(wildcard tests/engines/flink/flink-*.txt) | $(VENV)/ready
	@if command -v java >/dev/null && command -v mvn >/dev/null; then set -ex; \
	    rm -rf .flink; mkdir .flink; cp tests/engines/flink/pom.xml .flink/; \
	    for lock in $(filter %.txt,$^); do \
	        version=$$(basename $$lock .txt); mkdir .flink/$$version; \
	        $(BIN)/python -m pip download --quiet --no-deps --no-build-isolation --no-binary :all: \
	            --require-hashes -r $$lock -d .flink/$$version; \
	        tar xzf .flink/$$version/apache*flink*.tar.gz -C .flink/$$version --strip-components=2 --wildcards '*/deps'; \
	        rm .flink/$$version/apache*flink*.tar.gz; done; \
	    mvn --quiet --batch-mode -f .flink/pom.xml package; \
	    touch $@; \
	else echo "no Java or no Maven here: Flink cannot be set up, and its tests are skipped"; fi

flink-test: $(VENV)/ready .photos/ready .worker/ready .boot/ready .flink/ready ## run on a real Flink: wants Java, Maven, Go
	$(BIN)/python -m pytest -n 2 --dist loadscope tests/engines/flink --junitxml=.reports/flink.xml

torch-test: $(VENV)/ready .torch/ready ## read the tables with torch: downloads some 3 GB
	$(BIN)/python -m pytest tests/runners/test_reading_tables.py -k torch --junitxml=.reports/torch.xml

image-test: $(VENV)/ready .photos/ready .boot/ready ## build the image on stand-ins for its bases, and run it: wants root, buildah, podman, runc, mmdebstrap
	$(BIN)/python -m pytest tests/deploy/image --junitxml=.reports/image.xml

runners: ## print which engine passed which check, from what 'make test-all' and 'make flink-test' said
	$(BIN)/python -m tests.helpers.runner_checks .reports

check: $(VENV)/ready ## format, lint, types, layers, generated docs; tests, unless these very files passed them
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cog --check -r README.md ARCHITECTURE.md docs/*.md
	$(MAKE) .tested

bench: $(VENV)/ready .photos/ready ## measure speed, memory and accuracy; takes about fifteen minutes
	$(BIN)/python -m benchmarks

wheel: $(VENV)/ready ## build the wheel, with the weights in it, into dist/
	$(BIN)/python -m build --wheel --no-isolation

ENGINE ?= $(firstword $(foreach engine,docker podman buildah,$(if $(shell command -v $(engine)),$(engine))))
STAGE ?= worker
IMAGE ?= facebeam:$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

image: $(VENV)/ready ## build the workers' image; STAGE=launcher for a Flex template's, ENGINE=podman, IMAGE=name:tag
	@test -n "$(ENGINE)" || { echo "make image needs docker, podman or buildah: none is installed" >&2; exit 1; }
	@$(ENGINE) info >/dev/null 2>&1 || { echo "$(ENGINE) is installed, but 'info' finds no engine behind it: \
	start it, or choose another with ENGINE=podman" >&2; exit 1; }
	rm -f dist/facebeam-*.whl
	$(BIN)/python -m build --wheel --no-isolation
	$(ENGINE) build --file deploy/Dockerfile --target $(STAGE) --tag $(IMAGE) .

# A lock keeps its versions as far as pyproject.toml allows; with UPGRADE=--upgrade it takes the newest.
COMPILE = $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --no-emit-find-links --custom-compile-command "make lock" $(UPGRADE)

lock: $(VENV)/ready ## renew the locks from pyproject.toml; UPGRADE=--upgrade: to the newest versions
	echo setuptools | $(COMPILE) --extra local --extra gcp --extra aws -o requirements.lock pyproject.toml -
	echo setuptools | $(COMPILE) --extra local --extra server --extra report --extra delta --extra dev -c requirements.lock \
	    -o requirements-dev.lock pyproject.toml -
	echo uv | $(COMPILE) -o requirements-uv.lock -
	printf '%s\n' gcp-storage-emulator 'moto[s3]' flask flask-cors | $(COMPILE) -o tests/emulator.lock -
	printf '%s\n' polars deltalake duckdb datasets datumaro pycocotools pyspark setuptools | $(COMPILE) -c requirements-dev.lock -o tests/readers.lock -
	printf '%s\n' torch numpy pyarrow | $(COMPILE) -c requirements-dev.lock -o tests/torch.lock -
	echo pip | $(COMPILE) --upgrade --no-annotate -o tests/pips/newest.lock -

clean: ## remove everything that the other targets made
	rm -rf .venv .venv-3* .reports .worker .boot .emulator .readers .torch .pips .flink .image .tested .photos demo-out dist build
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache transforms/local_model/weights
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
