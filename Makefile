# The default checks everything that a change must pass.
.PHONY: all lint test format bench gpu model sanitize

all: lint test

lint:
	ruff check .
	ruff format --check .

test:
	pytest

format:
	ruff format .
	clang-format -i $$(git ls-files '*.cpp' '*.h' '*.cu' '*.cuh')

# Every claim beside its peers (pip install '.[bench]'), its tables and its pictures.
bench:
	python -m bench --sweep --json bench/results.json
	python -m bench.pictures
	python -m bench.tables

# On a machine with an NVIDIA GPU: build for it, test, look for races, measure.
gpu:
	bash bench/gpu.sh

# The shipped model, from its teachers on (Flickr8k in ../shared/data/flickr8k; hours).
model:
	bash bench/experiments/recipe.sh

sanitize:
	bash csrc/tests/sanitize.sh
