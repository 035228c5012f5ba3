"""`runbook lint`: what a notebook's file shows is wrong with a runbook, before it runs."""
