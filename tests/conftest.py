from __future__ import annotations

import signal

# A shell starts background jobs with SIGINT ignored, and every program below would inherit that: Ctrl-C
# could not be tested there. A handler is put back to the default where a program is started.
signal.signal(signal.SIGINT, signal.default_int_handler)
