"""bench-convolutions: a training step with compiled convolutions and with Paddle's own."""
