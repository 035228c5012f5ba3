# Everything here sets itself up; nothing needs to be installed by hand before `make demo` or `make test`.
PYTHON ?= python3
export PYTHON
RUN := .venv/bin/python -m

PYTEST_ARGUMENTS ?= -m "not vm"
.PHONY: demo demo-cloud test test-vm lint benchmark clean

demo: ## Carry the whole chapter out on two practice hosts and show the report
	@tools/set-up test lint
	@$(RUN) runbook_lib.requirements --install lab
	@.venv/bin/runbook demo

demo-cloud: ## The same, with the kernel upgrade on a virtual machine beside it: minutes more
	@tools/set-up test lint
	@$(RUN) runbook_lib.requirements --install lab vm
	@.venv/bin/runbook demo --cloud

test: ## All tests but those on virtual machines, those on real hosts too
	@tools/set-up test lint
	@$(RUN) runbook_lib.requirements --install lab sshd pages el
	@$(RUN) pytest $(PYTEST_ARGUMENTS)

test-vm: ## The tests on virtual machines: a quarter of an hour under software emulation
	@tools/set-up test lint
	@$(RUN) runbook_lib.requirements --install lab vm sshd
	@RUNBOOK_REQUIRE=lab,root,vm $(RUN) pytest -m vm

lint: ## Style and types, over the notebooks too
	@tools/set-up test lint
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@$(RUN) nbqa mypy notebooks --exclude tests

benchmark: ## This project and its peers side by side, as one table: a quarter of an hour; BENCHMARK_ARGUMENTS="--runs 20" is quicker
	@tools/set-up test lint
	@$(RUN) runbook_lib.requirements --install sshd
	@$(RUN) benchmarks $(BENCHMARK_ARGUMENTS)

clean: ## End the practice hosts and remove what was built
	@[ ! -x .venv/bin/runbook ] || .venv/bin/runbook lab down
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache
