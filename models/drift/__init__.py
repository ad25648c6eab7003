"""Drift: of data, meters, models and vendors; each test with its paper."""
