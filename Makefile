# make demo                     see it work, end to end
# make demo SESSION=path.nwb    the same with a session of your own
# make test                     linters, types, import contracts, all tests
# make clean                    remove the environment

# AllenSDK runs on Python 3.11 alone; 3.12 and 3.13 get all but that.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
SESSION ?=

.PHONY: demo test clean

demo: .venv/.installed
	$(BIN)/rtdecode demo --out demo --force $(if $(SESSION),--session "$(SESSION)")

test: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

.venv/.installed: pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "rtdecode needs Python 3.11, 3.12 or 3.13, found $$("$(PYTHON)" --version 2>&1):" \
		"install python3.11, or name one: make PYTHON=/path/to/python3.11"; exit 1; }
	"$(PYTHON)" -m venv .venv
	if $(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 12))'; \
	then $(BIN)/pip install -e '.[all]' -c constraints.txt; \
	else $(BIN)/pip install -e '.[gui,nwb,test]'; fi
	touch $@

clean:
	rm -rf .venv
