"""Verify what a run left: journal, notebook, outputs, attestation."""
