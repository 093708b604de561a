"""Our training with one mechanism at a time switched off or on."""
