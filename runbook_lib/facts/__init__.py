"""What can be observed on a host: read-only commands and pure parsers, one noun a file."""
