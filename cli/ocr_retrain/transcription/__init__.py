"""Reading many images with one version, in transform jobs."""
