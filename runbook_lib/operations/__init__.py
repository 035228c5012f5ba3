"""Desired states: plans from facts and checks on facts, one noun a file."""
