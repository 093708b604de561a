"""The same retraining as a SageMaker pipeline, for teams that work in Studio: docs/pipelines.md."""
