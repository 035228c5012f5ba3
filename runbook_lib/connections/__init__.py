"""Connections to hosts: over SSH with Fabric, or to this machine itself."""
