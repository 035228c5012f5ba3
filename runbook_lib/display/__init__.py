"""What a notebook shows: a card per step, the masking of cell output, and scrapbook payloads."""
