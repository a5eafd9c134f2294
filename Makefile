# The default checks everything that a change must pass.
.PHONY: all lint test format bench sanitize

all: lint test

lint:
	ruff check .
	ruff format --check .

test:
	pytest

format:
	ruff format .
	clang-format -i $$(git ls-files '*.cpp' '*.h' '*.cu' '*.cuh')

bench:
	python bench/attend_lstm.py
	python bench/beam_search.py
	python bench/sampling.py

sanitize:
	bash csrc/tests/sanitize.sh
