"""Other projects' operations, checks and inventories as parts of runbooks; each needs its extra of this package."""
