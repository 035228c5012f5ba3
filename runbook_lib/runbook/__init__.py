"""Runbook and step: the only place that ties facts, operations, connections and evidence together."""
