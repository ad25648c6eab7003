"""The utility's own open health model: operating state, physics lines, detector, index, contributions."""
