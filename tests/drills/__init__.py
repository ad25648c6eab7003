"""Long runs, by `make drill`: mutations, kills. Each has a short form in the normal suite, so that it cannot rot."""
