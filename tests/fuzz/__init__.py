"""Hostile input by the hundred thousand for the inference server."""
