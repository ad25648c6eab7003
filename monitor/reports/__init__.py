"""Reports: one Document, rendered as text, HTML, PDF and CSV."""
