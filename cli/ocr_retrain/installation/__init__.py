"""From a checkout to a deployed stack, and back: images, deployment, checks, removal, cost."""
