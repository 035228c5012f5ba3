"""One notebook, executed headless: engine, kernel process, outcome."""
