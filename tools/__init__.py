"""What this repository needs besides the library: the set-up of environments, and releases."""
