# Everything here sets itself up; nothing needs to be installed by hand before `make demo` or `make test`.
PYTHON ?= python3
export PYTHON
RUN := .venv/bin/python -m

PYTEST_ARGUMENTS ?= -m "not vm and not kills"
.PHONY: demo demo-quick test test-kills test-vm lint benchmark clean

demo: ## Carry the whole chapter out on practice hosts, a virtual machine among them, and show the report
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab vm
	@.venv/bin/runbook demo

demo-quick: ## The same on the two containers alone, without the kernel upgrade
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab
	@.venv/bin/runbook demo --no-cloud

test: ## All tests but those of test-vm and test-kills, those on real hosts too
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab sshd pages el disk
	@$(RUN) pytest $(PYTEST_ARGUMENTS)

test-vm: ## The tests on virtual machines: a quarter of an hour under software emulation; VM_TESTS=PATH picks some
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab vm sshd
	@RUNBOOK_REQUIRE=lab,root,vm $(RUN) pytest -m vm $(VM_TESTS)

test-kills: ## The chapter killed after every step and in every change, each time another part of it: a quarter of an hour
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install lab sshd
	@RUNBOOK_REQUIRE=lab,root $(RUN) pytest -m kills

lint: ## Style and types, over the notebooks too
	@tools/set-up test lint
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@$(RUN) nbqa mypy notebooks --exclude tests

benchmark: ## This project and its peers side by side, as one table: ten minutes, and more for Ansible on 256 hosts
	@tools/set-up test lint
	@$(RUN) runbook_lib.system_requirements --install sshd
	@$(RUN) benchmarks $(BENCHMARK_ARGUMENTS)

clean: ## End the practice hosts and remove what was built
	@[ ! -x .venv/bin/runbook ] || .venv/bin/runbook lab down
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache
