"""What may be printed, and how: one filter for foreign text, in front of the standard streams and of rich's console."""
