"""How long validating a drop takes, and how much memory, as the drop grows."""
