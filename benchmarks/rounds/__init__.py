"""Datasets of different domains, one after the other, through the product's own loop."""
