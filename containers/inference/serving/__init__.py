"""The inference server: text in images over HTTP, as SageMaker calls it."""
