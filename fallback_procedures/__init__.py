"""What is left when the screen is dark: procedures as plain text, their place-keeping and their paper. It imports
nothing else of handwheel, so that a broken, wrong or uninstalled control room cannot take the manual with it.
"""
