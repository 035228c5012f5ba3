"""Many runs: what comes after what, on which executor, and which of them are finished already."""
