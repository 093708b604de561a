"""report.html of a run: one file that says what came of it, why, and what it cost."""
