"""Many runs as tables: found, ingested, cached, queried."""
