# Everything here sets itself up; nothing needs to be installed by hand before `make demo` or `make test`.
PYTHON ?= python3
export PYTHON
RUN := .venv/bin/python -m

.PHONY: demo test lint benchmark clean

demo: ## Carry the whole chapter out on two practice hosts and show the report
	@tools/set-up test lint
	@$(RUN) runbook_lib.requirements --install lab
	@.venv/bin/runbook demo

test: ## All tests, those on real hosts too
	@tools/set-up test lint
	@$(RUN) runbook_lib.requirements --install lab sshd pages
	@$(RUN) pytest $(PYTEST_ARGUMENTS)

lint: ## Style and types, over the notebooks too
	@tools/set-up test lint
	@$(RUN) ruff format --check .
	@$(RUN) ruff check .
	@$(RUN) mypy
	@$(RUN) nbqa mypy notebooks --exclude tests

clean: ## End the practice hosts and remove what was built
	@[ ! -x .venv/bin/runbook ] || .venv/bin/runbook lab down
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache
