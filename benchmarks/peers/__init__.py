"""What a user of each peer writes for the benchmark."""
