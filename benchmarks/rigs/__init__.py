"""What the benchmarks measure against: servers and loads in processes of their own."""
