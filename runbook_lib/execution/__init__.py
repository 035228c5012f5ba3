"""Headless runs through papermill."""
