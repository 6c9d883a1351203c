# Everything that this project can do from a fresh clone. Needs Debian or Ubuntu, and root or sudo for the sandbox.
SHELL := /bin/bash
PYTHON ?= python3
FAB := .venv/bin/fab
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo)
# Groups of tests with hosts of their own that run side by side: host tests wait more than they work.
WORKERS ?= 3
# The release of the tests' hosts that name none: make test SUITE=trixie. Default: this machine's.
SUITE ?=
ifneq ($(SUITE),)
export HAWSER_SANDBOX_RELEASE := $(SUITE)
endif
# Thousands of commands are started: without compiled modules the start of each takes a third longer.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-browser test-faults test-settings test-slow test-real check lint bench bench-crowd bench-workers docs pictures clean venv

demo: venv .sandbox/demo/.git
	@$(FAB) -H demo sandbox.up
	@$(FAB) -H demo bootstrap deploy
	@.venv/bin/python bin/visit-demo

# What tests run beside the project's own: Debian's packages and programs of the same names, and login shells of users.
NEEDED := restic age pass busybox fish ksh tcsh zsh

test: lint
	@need=; for each in $(NEEDED); do command -v $$each >/dev/null || need="$$need $$each"; done; \
		[ -z "$$need" ] || $(AS_ROOT) sh -c "apt-get update -qq && apt-get install -y -qq --no-install-recommends $$need"
	.venv/bin/python -m pytest tests/unit -q -n auto
	.venv/bin/python -m pytest tests/browser -q
	.venv/bin/python -m pytest tests/hosts -m "not slow" -n $(WORKERS) --dist loadgroup \
		--no-loadscope-reorder --durations=40

# In headless Chromium, which is installed where there is none: as root, on Debian.
test-browser: venv
	.venv/bin/python -m pytest tests/browser

# Figures are printed at the end, also of a run that fails.
FAULTS ?= tests/faults
test-faults: venv
	@rm -rf .sandbox/figures
	.venv/bin/python -m pytest $(FAULTS) -n 2 --dist loadfile --durations=10; \
		status=$$?; cat .sandbox/figures/*.md; exit $$status

test-settings: venv
	.venv/bin/python -m pytest tests/ablation -n $(WORKERS) --dist loadgroup --durations=10

# What takes too long for every change: its last run stands in docs/reliability.md.
test-slow: FAULTS = tests/slow
test-slow: test-faults
	.venv/bin/python -m pytest tests/hosts -m slow -n $(WORKERS) --dist loadgroup --durations=10

# The real code of the five systems, from a folder of clones: make test-real REAL=/path/to/clones
REAL ?=
test-real: venv
	@[ -d "$(REAL)" ] || { echo "make test-real REAL=FOLDER: the folder holds clones of the systems" \
		"(their addresses: tests/real/facts/*.toml)" >&2; exit 2; }
	HAWSER_REAL="$(abspath $(REAL))" .venv/bin/python -m pytest tests/real -n 1 --dist loadgroup --durations=10

check: lint
	.venv/bin/python -m pytest tests/unit -q -n auto

lint: venv
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache --no-logo

# Beside other tools, in an environment of their own; Capistrano is Debian's.
bench: venv .sandbox/peers/.complete
	.venv/bin/python -m bench.run

bench-crowd: venv
	.venv/bin/python -m bench.crowd

# Hosts by way of workers, beside hosts from here: writes the figures of docs/scale.md.
bench-workers: venv
	.venv/bin/python -m bench.workers
	.venv/bin/python -m bench.workers --real 20

.sandbox/peers/.complete: bench/requirements.txt
	command -v cap >/dev/null || $(AS_ROOT) apt-get install -y -qq --no-install-recommends capistrano
	$(PYTHON) -m venv .sandbox/peers
	.sandbox/peers/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

# The generated pages, and the site in .sandbox/site; a link or an anchor that leads nowhere fails.
docs: venv .sandbox/docs/.complete
	.venv/bin/python -m hawser.inventory.reference > docs/settings.md
	.venv/bin/python -m hawser.tasks.reference > docs/commands.md
	NO_MKDOCS_2_WARNING=1 .sandbox/docs/bin/mkdocs build --strict --quiet
	@echo "read it: .sandbox/site/index.html"

.sandbox/docs/.complete: requirements-docs.txt | venv
	@$(PYTHON) -m venv .sandbox/docs
	@.sandbox/docs/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt
	@touch $@

# On the demo's hosts: what the commands really write there.
pictures: venv .sandbox/demo/.git
	@$(FAB) -H demo sandbox.up
	@$(FAB) -H demo bootstrap deploy
	@.venv/bin/python bin/pictures

clean:
	-[ ! -x $(FAB) ] || $(FAB) sandbox.down
	rm -rf .venv .sandbox

venv: .venv/.complete

.venv/.complete: requirements.txt bin/venv bin/fab
	@bin/venv $(PYTHON)

# The demo's application as a repository of its own, as a team would have one.
.sandbox/demo/.git:
	@rm -rf .sandbox/demo && mkdir -p .sandbox && cp -r demo .sandbox/demo
	@cd .sandbox/demo && git init --quiet -b main && git add -A && \
		git -c user.name=Demo -c user.email=demo@example.org commit --quiet -m "The harbour logbook"
