"""Build the two images on this machine, list what is in them, and run them."""
