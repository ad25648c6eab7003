"""The full studies behind the claims of docs/; each file is one study, `make evidence` runs them all."""
