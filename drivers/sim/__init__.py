"""The one simulator: demo, tests and benchmarks use it, nothing else may."""
