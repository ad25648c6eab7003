"""The study of the review: simulated fleets whose truth is known, judged by the product's own code."""
