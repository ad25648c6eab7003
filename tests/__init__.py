"""The tests of handwheel, one folder per room; golden files in golden/, rules of the house itself in house/."""
