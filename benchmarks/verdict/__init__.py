"""How often the verdict errs: on candidates that are truly equal, and on ones that are worse."""
