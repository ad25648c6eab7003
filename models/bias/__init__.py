"""The review: do a vendor's alerts ask for more maintenance than the as-found findings support."""
