# `make demo` and `make test` are all a fresh machine needs: Python 3.11+ and make; each prepares .venv itself.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test .test-kafka .test-others check lint format types bench fuzz chaos asyncapi requirements sbom audit wheel up down clean

help: ## this list
	@grep -hE '^[a-z.]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z.]+):.*## /  make \1\t/' | expand -t 22

.venv: .venv/.ready ## the environment: hash-pinned packages, and this project editable in it

.venv/.ready: requirements/dev.txt pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Streamgauge needs Python 3.11 or newer, $(PYTHON) is older. Try: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@# all is pinned: pip has nothing to resolve, and a newer release of an extra's package cannot confuse it
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --no-compile -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@# what pip would do on one processor, and without other people's tests
	@$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' .venv/lib || true
	@$(BIN)/python -m pip check >/dev/null || { $(BIN)/python -m pip check; exit 1; }
	@touch $@

demo: .venv ## live models, their faults and the alerts, on an embedded broker: make demo ARGS="--seconds 90"
	$(BIN)/streamgauge demo $(ARGS)

test: .venv ## every test, those on a real Kafka broker too: make test ARGS="tests/core -k join"
ifeq ($(strip $(ARGS)),)
	@$(MAKE) --no-print-directory --keep-going --jobs 2 .test-kafka .test-others
else
	$(BIN)/python -m pytest $(ARGS)
endif

# Side by side, for those on a broker wait for much of their time, by two at a time (each process has a broker of
# its own). They have deadlines, so processors are theirs first.
.test-others:
	@nice -n 5 $(BIN)/python -m pytest -n auto --dist worksteal -m "not kafka"

.test-kafka:
	@mkdir -p build
	@echo "those on a broker write to build/test-kafka.log, which is shown when they have ended"
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m kafka >build/test-kafka.log 2>&1; \
	  status=$$?; echo; cat build/test-kafka.log; exit $$status

check: lint types ## what to run before a commit: lint, types, fast tests (under a minute)
	$(BIN)/python -m pytest -q -n auto --hypothesis-profile daily -m "not kafka and not slow" $(ARGS)

lint: .venv ## style, format, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: .venv ## rewrite in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv ## mypy, strict, over the package
	$(BIN)/mypy -p streamgauge

bench: .venv ## the measured figures, as one table
	$(BIN)/python -m benchmarks $(ARGS)

fuzz: .venv ## hostile messages, so many of each kind: make fuzz INPUTS=200000 ARGS="core definitions"
	$(BIN)/python -m tests.fuzz --inputs $(or $(INPUTS),20000) $(ARGS)

chaos: .venv ## random faults on a real broker, judged offline: make chaos MINUTES=60 SEEDS="1 2 3"
	$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),3) --seed $(or $(SEEDS),1) $(ARGS)

asyncapi: .venv ## write docs/reference/asyncapi.yaml anew, from schemas and examples
	$(BIN)/python -m tests.asyncapi > docs/reference/asyncapi.yaml

wheel: .venv ## dist/: wheel and source distribution
	$(BIN)/python -m build --quiet --no-isolation

requirements: ## pin again, with hashes: make requirements ARGS=--upgrade
	@test -x build/pip-tools/bin/pip-compile || { $(PYTHON) -m venv build/pip-tools && build/pip-tools/bin/pip install --quiet pip-tools; }
	@for set in worker,notifier:worker test:dev; do \
	  build/pip-tools/bin/pip-compile --quiet --generate-hashes --no-header --strip-extras \
	    --no-emit-options --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	    --build-deps-for editable --unsafe-package streamgauge \
	    --extra $${set%:*} --output-file requirements/$${set#*:}.txt $(ARGS) pyproject.toml || exit 1; \
	done
	@# pip-compile warns, in the file, that this project itself is not pinned
	@for file in requirements/*.txt; do sed -i.old '/^# WARNING: The following/,$$d' $$file && rm $$file.old; done

sbom: build/audit/.ready ## build/sbom.json: what a worker is made of, in CycloneDX
	build/audit/bin/cyclonedx-py requirements requirements/worker.txt --of JSON -o build/sbom.json
	@$(PYTHON) -c 'import json; print(len(json.load(open("build/sbom.json"))["components"]), "components in build/sbom.json")'

audit: sbom ## known vulnerabilities of what a worker is made of; asks the advisory database for them
	@rm -f build/audit.json
	@-build/audit/bin/pip-audit --progress-spinner off --require-hashes --disable-pip -r requirements/worker.txt \
	  --format json --output build/audit.json >/dev/null 2>build/audit.log
	@$(PYTHON) .ci/audit.py build/audit.json $(ARGS)

build/audit/.ready: Makefile
	@test -x build/audit/bin/pip || $(PYTHON) -m venv build/audit
	@build/audit/bin/pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0 pip-audit==2.10.1
	@touch $@

up: ## Kafka, topics, two workers, a notifier, Alertmanager and Prometheus in containers
	docker compose up --build --detach --wait

down: ## stop them; the data stays (docker compose down --volumes removes it)
	docker compose down

clean: ## remove what was made, .venv too
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage htmlcov
