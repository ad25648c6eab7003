"""Asking a device when a person wants to know: who may be asked what, the record of it, what the answers could mean."""
