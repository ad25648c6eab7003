"""Measurements with a bar, side by side in one run; `make bench` runs them all. Timings live here, never in tests."""
