# Every target sets up what it needs: Python 3.11 and make are all a new machine must have.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench lock weights wheel clean
PYTHON ?= python3.11
BIN := .venv/bin

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

test: .venv/ready .photos/ready ## run the tests
	$(BIN)/python -m pytest

check: .venv/ready .photos/ready ## format, lint, types, layers, generated docs, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cog --check -r README.md docs/*.md
	$(BIN)/python -m pytest

bench: .venv/ready .photos/ready ## measure speed, memory and accuracy; takes some ten minutes
	$(BIN)/python -m benchmarks

wheel: .venv/ready ## build the wheel, with the weights in it, into dist/
	$(BIN)/python -m build --wheel --no-isolation

lock: ## renew the locks from pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	    --no-emit-find-links --extra local -o requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url \
	    --no-emit-find-links --extra local --extra server --extra dev -c requirements.lock \
	    -o requirements-dev.lock pyproject.toml

clean: ## remove everything that the other targets made
	rm -rf .venv .photos demo-out dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf transforms/local_model/weights
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
