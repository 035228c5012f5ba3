"""Data model of a run: status, commands, plans, and the records of steps and runs."""
