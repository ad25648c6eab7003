"""How history and records leave the house and come in: export, the bundle that takes everything away, import."""
