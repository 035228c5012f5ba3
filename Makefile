# Each target installs what it needs; nothing has to be installed by hand before `make demo` or `make test`.
PYTHON ?= python3
export PYTHON
RUN := .venv/bin/python -m
# Hundreds of processes import the library: where the environment forbids to keep compiled modules, each would compile it.
unexport PYTHONDONTWRITEBYTECODE

# Tests that a target of their own runs, by their marker in pyproject.toml.
MARKED := kills drills jupyterlab costly wheel networks engines registry outages examples
NOT_MARKED := not vm$(foreach marker,$(MARKED), and not $(marker))
# With SCENARIOS=yes those of test-scenarios too: what waits for a host leaves the cores to the others.
PYTEST_ARGUMENTS ?= -m "$(if $(SCENARIOS),,not scenario and )$(NOT_MARKED)"
# Most tests wait most of the time: two processes per core, but no more labs in parallel than fit in memory.
WORKERS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n > 4 ? 8 : 2 * n)))
IN_PARALLEL := -n $(WORKERS) --dist loadscope --no-loadscope-reorder --progress -o console_output_style=classic
SEED ?= $(shell date +%s)
SPACE := $(subst ,, )
# Debian release and Docker engine of the hosts that tests share; each target that takes them says so.
ON_RELEASE = $(if $(RELEASE),RUNBOOK_TEST_RELEASE=$(RELEASE)) $(if $(ENGINE),RUNBOOK_TEST_ENGINE=$(ENGINE))
.PHONY: demo demo-quick learn test test-scenarios test-random test-kills test-drills test-jupyterlab test-networks test-outages test-examples test-registry test-engines test-pyinfra test-vm test-wheel fuzz lint benchmark clean

demo: ## Run the whole chapter on practice hosts, one of them a virtual machine, and write the report
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab vm
	@.venv/bin/runbook demo

demo-quick: ## The same on the two containers only, without the kernel upgrade
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab
	@.venv/bin/runbook demo --no-cloud

learn: ## Lessons in JupyterLab, on practice hosts if this is root; LESSON=30 opens one
	@tools/set-up test lint
	@[ "$$(id -u)" != 0 ] || $(RUN) runbook_lib.system_requirements --install lab
	@.venv/bin/runbook learn $(LESSON)

test: ## All tests that no target below names, some on practice hosts; SCENARIOS=yes: and those of test-scenarios, as CI does
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab sshd pages el disk reference
	@echo "make test: the tests of every part, some on practice hosts that boot on this machine, in $(WORKERS) processes: about $(if $(SCENARIOS),15,12) minutes on"
	@echo "2 cores, and some minutes more the first time to build the hosts.$(if $(SCENARIOS), With the book's chapter and more on hosts., The book's chapter and more on hosts: make test-scenarios.)"
	@$(RUN) pytest $(IN_PARALLEL) $(ORDER) $(PYTEST_ARGUMENTS)

test-scenarios: ## On practice hosts: the book's chapter, failures, network changes: 8 minutes, or RELEASE=debian-13
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab sshd pages el disk reference
	@$(ON_RELEASE) $(RUN) pytest $(IN_PARALLEL) $(ORDER) -m "scenario and $(NOT_MARKED)" tests/scenarios tests/docs

test-random: ## The tests of test and test-scenarios in random order; SEED=NUMBER repeats an order
	@$(MAKE) --no-print-directory test test-scenarios ORDER='--shuffle $(SEED)'

test-vm: ## The tests on virtual machines: 25 minutes under software emulation; VM_TESTS=PATH selects some
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab vm sshd
	@RUNBOOK_REQUIRE=lab,root,vm $(RUN) pytest -m vm $(VM_TESTS)

test-kills: ## The chapter killed after every step and in every change, each time another process, and more that is cut off: twelve minutes
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab sshd
	@RUNBOOK_REQUIRE=lab,root $(RUN) pytest $(IN_PARALLEL) -m kills

test-networks: ## A bridge on every network stack, and every harm in the middle of it: no host may be lost; twenty minutes, or RELEASE=debian-13
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab
	@RUNBOOK_REQUIRE=lab,root $(RUN) pytest -m networks $(if $(RELEASE),-k '$(RELEASE)') tests/scenarios/networks

test-outages: ## Each part of the path to a redis stopped in turn, seen by every client: three minutes
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab
	@RUNBOOK_REQUIRE=lab,root $(RUN) pytest -m outages tests/scenarios/test_path_outages.py

test-examples: ## The examples and what they are made of, on practice hosts: firewall, keys, TLS, files, services, pyinfra, testinfra: two minutes
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab
	@$(ON_RELEASE) RUNBOOK_REQUIRE=lab,root $(RUN) pytest $(IN_PARALLEL) -m "examples and not costly" tests/scenarios

test-engines: ## The whole chapter on each Docker engine that practice hosts can have; writes the table of docs/lab.md: twenty minutes
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab
	@RUNBOOK_REQUIRE=lab,root RUNBOOK_WRITE_TABLES=1 $(RUN) pytest -m engines $(if $(ENGINE),-k '$(subst $(SPACE), and ,$(ENGINE))') tests/scenarios/engines

test-registry: ## A registry on S3, and every cause of failure, each produced and named: seven minutes; RELEASE=debian-13 ENGINE=28 choose hosts
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab
	@RUNBOOK_REQUIRE=lab,root $(ON_RELEASE) $(RUN) pytest -m registry tests/scenarios

test-drills: ## Every fault of docs/drills.md on practice hosts: broken, found, repaired: ten minutes
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab
	@RUNBOOK_REQUIRE=lab,root $(RUN) pytest -m drills tests/scenarios/test_drills.py

test-jupyterlab: ## A lesson in JupyterLab in a real browser, light and dark, and as a plain page: a minute
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install pages
	@$(RUN) pytest -m jupyterlab tests/learning/test_in_jupyterlab.py

test-pyinfra: ## Operations of pyinfra that need large packages, on a practice host: five minutes
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab
	@RUNBOOK_REQUIRE=lab,root $(RUN) pytest -m costly

test-wheel: ## Build the wheel, install it into new environments, and use it in an empty folder: minutes
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab
	@RUNBOOK_REQUIRE=lab,root $(RUN) pytest -m wheel tests/test_wheel.py

.PHONY: test-python test-lowest test-newest
WITHOUT_LAB := -m "not lab and $(NOT_MARKED)"

test-python: ## The tests that need no lab, with another interpreter: PYTHON=python3.13
	@VENV=.venv-$(notdir $(PYTHON)) tools/set-up test lint
	@.venv-$(notdir $(PYTHON))/bin/python -m runbook_lib.system_requirements --install sshd pages el disk reference
	@.venv-$(notdir $(PYTHON))/bin/python -m pytest $(IN_PARALLEL) $(WITHOUT_LAB) $(TESTS)

test-lowest: ## The same with the lowest versions of all packages that pyproject.toml allows
test-newest: ## The same with the newest versions of all packages
test-lowest test-newest: test-%:
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install sshd pages el disk reference
	@$(PYTHON) -m venv --clear .venv-$*
	@.venv/bin/uv pip install --quiet --python .venv-$*/bin/python --resolution $(RESOLUTION_$*) --editable '.[test,lint]'
	@PYTEST_ADDOPTS='-o filterwarnings=default' .venv-$*/bin/python -m pytest $(IN_PARALLEL) $(WITHOUT_LAB) $(TESTS)
RESOLUTION_lowest := lowest-direct
RESOLUTION_newest := highest

.PHONY: test-all
EACH_TEST := test-random test-kills test-networks test-outages test-examples test-registry test-engines test-drills test-jupyterlab test-pyinfra test-wheel test-vm
test-all: ## Every target above for this interpreter, one after another, also after one that failed: two and a half hours
	@failed=; for target in $(EACH_TEST); do $(MAKE) --no-print-directory $$target || failed="$$failed $$target"; done; \
	[ -z "$$failed" ] || { echo "make test-all: failed:$$failed" >&2; exit 1; }

fuzz: ## Feed every parser with mutated real input, and run random notebooks, for MINUTES=10 in all
	@tools/set-up test lint
	@nice -n 10 $(RUN) pytest tests/fuzz --fuzz $(or $(MINUTES),10) -q

lint: ## Style and types, including the notebooks
	@tools/set-up test lint
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@$(RUN) nbqa mypy notebooks --exclude tests

.PHONY: docs
docs: ## The documentation as a site in build/site: half a minute; a warning or a broken link is an error
	@VENV=.venv-docs tools/set-up docs
	@.venv-docs/bin/python -m docs.site

.PHONY: release
release: ## Wheel, source, list of packages, licences checked, and signed provenance in dist: docs/releases.md
	@VENV=.venv-release tools/set-up release
	@.venv-release/bin/python -m tools.release make $(RELEASE_ARGUMENTS)

benchmark: ## Compare this project with its peers in one table: half an hour, and more for Ansible on 256 hosts
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install sshd $$([ "$$(id -u)" != 0 ] || echo lab)
	@$(RUN) benchmarks $(BENCHMARK_ARGUMENTS)

clean: ## End the practice hosts and remove what was built
	@[ ! -x .venv/bin/runbook ] || .venv/bin/runbook lab down
	@rm -rf .venv .venv-* build dist .mypy_cache .ruff_cache .pytest_cache
