# `make run` and `make test` do all the set-up that they need, and are quick the second time.
PYTHON ?= python3
BIN := .venv/bin
STAMPS := .make
PIP := $(BIN)/pip --disable-pip-version-check --quiet
WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' 2>/dev/null)
PACKAGING := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help install run break-database error-storm slow-analysis mend test check format bench web clean
export DEMO_DATA DEMO_PORT

help: ## Say what there is to make
	@grep -hE '^[a-z -]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z -]+):.*## (.*)/make \1\t\2/' | expand -t 16

install: $(STAMPS)/runtime $(STAMPS)/web ## Make .venv with the command resumatch-monitor, and build the UI

run: install ## Start the demonstration: ResuMatch, its databases, simulated users, the monitor
	@$(BIN)/python -m resumatch.demo

break-database error-storm slow-analysis mend: ## Break the demonstration, or mend it
	@$(BIN)/python -m resumatch.demo $@

test: $(STAMPS)/system $(STAMPS)/dev $(STAMPS)/web ## Run all tests
	@PYTEST=$(BIN)/pytest tools/test.sh $(ARGS)

check: $(STAMPS)/dev $(STAMPS)/npm ## Format, lint, types and layers, in Python and in the UI
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports
	@tools/npm.sh run check

format: $(STAMPS)/dev ## Put the sources into the house's form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(STAMPS)/system $(STAMPS)/dev $(STAMPS)/web ## Measure, and print what was measured
	@$(BIN)/python -m benchmarks $(ARGS)

# What could not be built is not tried again by itself, lest every start wait for an absent registry.
web: ## Build the web UI into the package
	@! test -e $(STAMPS)/web-missing || rm -f $(STAMPS)/web
	@$(MAKE) --no-print-directory --silent $(STAMPS)/web

clean: ## Remove everything that was built
	@rm -rf .venv $(STAMPS) web/node_modules src/resumatch_monitor/ui/dist

$(STAMPS)/venv:
	@mkdir -p $(STAMPS)
	@$(PYTHON) tools/check_python.py
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@touch $@

$(STAMPS)/runtime: $(STAMPS)/venv $(PACKAGING)
	@echo "Installing the packages (once) …"
	@$(PIP) install -c constraints.txt -e '.[resumatch,demo]'
	@touch $@

$(STAMPS)/dev: $(STAMPS)/runtime
	@echo "Installing the tools for tests and checks (once) …"
	@$(PIP) install -c constraints.txt -e '.[resumatch,demo,dev]'
	@touch $@

$(STAMPS)/system: debian-packages.txt | $(STAMPS)/venv
	@tools/system_packages.sh
	@touch $@

$(STAMPS)/npm: web/package.json web/package-lock.json | $(STAMPS)/runtime
	@tools/npm.sh ci --ignore-scripts --no-audit --no-fund --loglevel=error \
		--fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=5000
	@touch $@

$(STAMPS)/web: $(WEB_SOURCES) | $(STAMPS)/runtime
	@tools/build_web.sh
