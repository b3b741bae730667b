# make demo                     see it work, end to end
# make demo SESSION=path.nwb    the same with a session of your own
# make test                     linters, types, import contracts, all tests
# make soak                     an hour at 20 thousand spikes a second; make soak SECONDS=600
# make fuzz                     ten thousand hostile inputs for every reader, for hours
# make clean                    remove the environment

# AllenSDK runs on Python 3.11 alone; 3.12 and 3.13 get all but that.
SUITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13; do \
	$$python -c '$(SUITS)' 2> /dev/null && { echo $$python; break; }; done)
BIN := .venv/bin
SESSION ?=
SECONDS ?= 3600

.PHONY: demo test soak fuzz clean

demo: .venv/.installed
	$(BIN)/rtdecode demo --out demo --force $(if $(SESSION),--session "$(SESSION)")

test: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

soak: .venv/.installed
	$(BIN)/rtdecode bench soak --seconds $(SECONDS)

fuzz: .venv/.installed
	$(BIN)/python -m tests.fuzz.run --cases 10000

.venv/.installed: pyproject.toml constraints.txt
	@"$(PYTHON)" -c '$(SUITS)' 2> /dev/null || { echo "rtdecode needs Python 3.11, 3.12 or 3.13" \
		"with venv: install python3.11 and python3.11-venv, or name one: make PYTHON=/path/to/python"; \
		exit 1; }
	"$(PYTHON)" -m venv .venv
	if $(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 12))'; \
	then $(BIN)/pip install -e '.[all]' -c constraints.txt; \
	else $(BIN)/pip install -e '.[gui,nwb,onnx,serial,bridge,test]'; fi
	touch $@

clean:
	rm -rf .venv
