"""Rules and adapters behind the Lambda handlers of the retraining pipeline."""
