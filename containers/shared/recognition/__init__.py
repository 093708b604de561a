"""Reading one line of text: what training, evaluation and serving share, so that they agree."""
