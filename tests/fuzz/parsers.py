"""Which fuzz targets reach which parser of something that comes from outside, or why none does.

`tests/architecture/test_lists_agree.py` finds the modules that decode JSON, YAML, Python, PEM, base64 or shell words,
and notices one that is missing here. Facts need no entry: `test_host_answers.py` takes all of them from their cases.
"""

from __future__ import annotations

__all__ = ["NO_TARGET", "TARGETS"]

_OWN = "written by this library, in a place that only its user can write to"
_OF_A_FACT = "the text has passed the parser of a fact, which is fuzzed"

TARGETS = {
    "attestation/envelope.py": "test_a_changed_attestation",
    "audit/verify/broken_chain.py": "test_lines_of_a_journal_removed_doubled_or_moved",
    "audit/verify/checks.py": "test_changed_bytes",
    "books/docker/dropping_rules.py": "test_the_rules_of_a_firewall",
    "connections/known_hosts.py": "test_any_bytes_in_known_hosts",
    "evidence/chain.py": "test_changed_bytes",
    "evidence/follower.py": "test_changed_bytes",
    "evidence/notebook.py": "test_a_changed_notebook",
    "evidence/seal_contents.py": "test_changed_bytes",
    "execution/catalog.py": "test_parameters_on_the_command_line",
    "execution/cell_python.py": "test_a_notebook_that_is_to_be_run",
    "execution/cell_syntax.py": "test_a_notebook_that_is_to_be_run",
    "execution/notebook_file.py": "test_a_notebook_that_is_to_be_run",
    "inventories/ansible_json.py": "test_what_an_inventory_program_prints",
    "inventories/kinds.py": "test_an_inventory",
    "inventories/own_yaml.py": "test_an_inventory",
    "operations/docker_engine.py": "test_the_options_of_the_engine",
    "shown_secrets.py": "test_secrets_in_the_options_of_the_engine",
    "operations/network_stacks/netplan_values.py": "test_netplans_files",
    "operations/network_stacks/netplan_yaml.py": "test_netplans_files",
    "parameters/annotations.py": "test_a_parameters_cell_with_types",
    "parameters/cell.py": "test_a_parameters_cell",
    "runbook/steps/host_lock.py": "test_the_owner_that_a_lock_names",
    "yaml_files.py": "test_a_parameters_file",
}
"""Module below `runbook_lib` -> a fuzz target that reaches its parser."""

NO_TARGET = {
    "attestation/keys.py": "the operator's own key, by the library `cryptography`",
    "attestation/trust.py": "the auditor's own folder of keys, by the library `cryptography`",
    "audit/rules/policy.py": "the auditor's own file; its YAML is read as every other",
    "audit/rules/reached_hosts.py": "a journal's lines whose chain was read before",
    "audit/rules/runs.py": "a column that this library has written",
    "audit/run_diff.py": "a notebook whose records were read before",
    "audit/lost_lines.py": "what it cannot read proves nothing; tests/audit/rules/test_unreadable_evidence.py",
    "audit/site/history.py": "a column that this library has written",
    "audit/site/site_index.py": _OWN,
    "books/docker/causes.py": _OF_A_FACT,
    "cli/audit/scan.py": "what the process itself has made",
    "connections/identity.py": "the operator's own key files",
    "connections/local.py": "words that the connection itself has quoted",
    "display/shown_outputs.py": "what the process itself has made",
    "evidence/exposure_search.py": _OWN,
    "execution/fleet/job.py": "from another process of the same command",
    "execution/fleet/matrix.py": "the operator's own file; its YAML is read as every other",
    "execution/fleet/resume_check.py": "notebooks that `runbook run` has read before",
    "execution/fleet/job_runs.py": _OWN,
    "runbook/notebook/checked_input.py": "what our engine has written; what cannot be read opens no run",
    "runbook/notebook/refused_steps.py": "what the kernel itself has reported; what cannot be read fails the run",
    "execution/notebook/packed_outputs.py": "what the process itself has made",
    "execution/fleet/claims.py": "from another process of the same user",
    "execution/warm_kernels/protocol.py": "from another process of the same user",
    "installation.py": "pip's own record of what it has installed",
    "integrations/pyinfra/commands.py": "pyinfra's own argument",
    "inventories/ssh_arguments.py": "tests/inventories/test_kinds.py; shlex reads the words",
    "inventories/ssh_config_hosts.py": "OpenSSH itself reads the file; here only the names are taken from it",
    "inventories/without_programs.py": "only asks whether a file is for a plugin of Ansible's; Ansible itself reads it",
    "lab/hosts/kvm.py": _OWN,
    "lab/hosts/vm.py": _OWN,
    "lab/state.py": _OWN,
    "lab/topology_file.py": "the operator's own file; its YAML is read as every other",
    "learning/jupyter_server.py": "a server that this library has started",
    "learning/workspace.py": "a server that this library has started",
    "lint/notebook_source.py": "a syntax error is a finding",
    "lint/parameter_rules.py": "the operator's own file; its YAML is read as every other",
    "operations/files.py": "contents that `file_contents.py` has encoded",
    "operations/firewalls/firewall_iptables.py": _OF_A_FACT,
    "operations/firewalls/firewall_nftables.py": _OF_A_FACT,
    "operations/public_keys.py": _OF_A_FACT,
    "printing/utf8.py": "what the process itself has made",
    "parameters/executed_cells.py": "a notebook that the user's own kernel executes",
    "report/table_columns.py": "a column that this library has written",
    "runbook/notebook/made_by_hand.py": "a notebook that the user's own Jupyter has saved",
}
"""Module below `runbook_lib` -> why no fuzz target reaches its parser."""
