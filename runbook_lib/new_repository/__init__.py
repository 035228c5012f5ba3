"""`runbook new`: a repository for a runbook of one's own, from the files in `templates/`."""
