"""Benchmarks: what the training is worth, measured on one machine and data that anyone can make."""
