"""One module per command: its options, its words, its exit status."""
