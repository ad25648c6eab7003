"""The control room: it wires drivers, models and people together and alone owns time, disk and screen. Drivers speak
records, models speak frames, procedures speak plain text; this room translates between them.
"""
