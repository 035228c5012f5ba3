"""A release: wheel and source, the list of what the wheel needs, its licences checked, and who built it, signed."""
