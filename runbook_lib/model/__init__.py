"""The words of a run as data: status, commands, plans and the records a step leaves."""
