"""Programs that run in another environment than the benchmarks themselves."""
