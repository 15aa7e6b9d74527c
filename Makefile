# Every target sets up what it needs: Python 3.11 and make are all a new machine must have.
.DEFAULT_GOAL := help
.PHONY: help setup demo test flink-test runners check bench lock weights wheel image clean
PYTHON ?= python3.11
BIN := .venv/bin
BEAM := $(shell sed -n 's/^apache-beam==\([0-9.]*\).*/\1/p' requirements.lock)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: .venv/ready ## make .venv with the locked packages, and fetch the local model's weights

.venv/ready: requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	$(BIN)/python -m transforms.local_model.fetch_weights
	touch $@

weights: .venv/ready ## fetch the local model's weights again, checked by their sha256
	$(BIN)/python -m transforms.local_model.fetch_weights

.photos/ready: .venv/ready examples/fetch_photos.py
	$(BIN)/python examples/fetch_photos.py .photos
	touch $@

demo: .venv/ready .photos/ready ## annotate real photographs with the local model into demo-out/, and show it
	rm -rf demo-out
	$(BIN)/facebeam annotate --source local --manifest examples/photos.csv --output demo-out \
	    --allow-local-files --max-failure-share 0.25
	$(BIN)/python examples/show_tables.py demo-out
	$(BIN)/python examples/compare_sources.py demo-out

# What a worker's image holds, without an engine to build it: the lock and our wheel, and no source tree.
.worker/ready: .venv/ready requirements.lock $(shell find schemas transforms pipelines runners -name '*.py')
	test -x .worker/bin/python || $(PYTHON) -m venv .worker
	.worker/bin/python -m pip install --quiet --require-hashes -r requirements.lock
	rm -rf .worker/wheel
	$(BIN)/python -m build --wheel --no-isolation --outdir .worker/wheel >/dev/null
	.worker/bin/python -m pip install --quiet --no-deps --force-reinstall .worker/wheel/*.whl
	touch $@

# Beam's Go programs, where Go can build them: the boot program of its worker images, and the Prism runner.
.boot/ready: requirements.lock
	mkdir -p .boot
	! command -v go >/dev/null || for program in python/container go/cmd/prism; do \
	    GOBIN="$(CURDIR)/.boot" go install github.com/apache/beam/sdks/v2/$$program@v$(BEAM) || \
	    echo "Go cannot build Beam's $$program: the tests that need it are skipped" >&2; done
	touch $@

# A stand-in for Google's object store, in an environment of its own: its packages are none of ours.
.emulator/ready: tests/emulator.lock
	test -x .emulator/bin/python || $(PYTHON) -m venv .emulator
	.emulator/bin/python -m pip install --quiet --require-hashes -r tests/emulator.lock
	touch $@

test: .venv/ready .photos/ready .worker/ready .boot/ready .emulator/ready ## run the tests
	$(BIN)/python -m pytest --junitxml=.reports/test.xml
	touch .tested

.tested: $(shell find * -type f -not -path 'demo-out/*' -not -path 'dist/*' -not -path '*/__pycache__/*')
	$(MAKE) test

# A Flink to test on: its jars from PyPI, by their sha256, and Beam's job server put together by Maven.
.flink/ready: .venv/ready tests/flink/pom.xml tests/flink/flink.txt
	@if command -v java >/dev/null && command -v mvn >/dev/null; then set -ex; \
	    rm -rf .flink; mkdir .flink; cp tests/flink/pom.xml .flink/; \
	    $(BIN)/python -m pip download --quiet --no-deps --no-build-isolation --no-binary :all: \
	        --require-hashes -r tests/flink/flink.txt -d .flink; \
	    tar xzf .flink/apache*flink*.tar.gz -C .flink --strip-components=1 --wildcards '*/deps'; \
	    rm .flink/apache*flink*.tar.gz; \
	    mvn --quiet --batch-mode -f .flink/pom.xml package; \
	    touch $@; \
	else echo "no Java or no Maven here: Flink cannot be set up, and its tests are skipped"; fi

flink-test: .venv/ready .photos/ready .worker/ready .boot/ready .flink/ready ## run on a real Flink: wants Java, Maven, Go
	$(BIN)/python -m pytest tests/flink --junitxml=.reports/flink.xml

runners: ## print which engine passed which check, from what 'make test' and 'make flink-test' said
	$(BIN)/python -m tests.runner_checks .reports

check: .venv/ready ## format, lint, types, layers, generated docs; tests, unless these very files passed them
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cog --check -r README.md docs/*.md
	$(MAKE) .tested

bench: .venv/ready .photos/ready ## measure speed, memory and accuracy; takes some ten minutes
	$(BIN)/python -m benchmarks

wheel: .venv/ready ## build the wheel, with the weights in it, into dist/
	$(BIN)/python -m build --wheel --no-isolation

ENGINE ?= $(firstword $(foreach engine,docker podman buildah,$(if $(shell command -v $(engine)),$(engine))))
STAGE ?= worker
IMAGE ?= facebeam:$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

image: .venv/ready ## build the workers' image; STAGE=launcher for a Flex template's, ENGINE=podman, IMAGE=name:tag
	@test -n "$(ENGINE)" || { echo "make image needs docker, podman or buildah: none is installed" >&2; exit 1; }
	@$(ENGINE) info >/dev/null 2>&1 || { echo "$(ENGINE) is installed, but 'info' finds no engine behind it: \
	start it, or choose another with ENGINE=podman" >&2; exit 1; }
	rm -f dist/facebeam-*.whl
	$(BIN)/python -m build --wheel --no-isolation
	$(ENGINE) build --file deploy/Dockerfile --target $(STAGE) --tag $(IMAGE) .

lock: ## renew the locks from pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	    --no-emit-find-links --extra local --extra gcp --extra aws -o requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	    --no-emit-find-links --extra local --extra server --extra dev -c requirements.lock \
	    -o requirements-dev.lock pyproject.toml
	echo gcp-storage-emulator | $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --no-header \
	    --no-emit-index-url --no-emit-find-links -o tests/emulator.lock -

clean: ## remove everything that the other targets made
	rm -rf .venv .reports .worker .boot .emulator .flink .tested .photos demo-out dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf transforms/local_model/weights
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
