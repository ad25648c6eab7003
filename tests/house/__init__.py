"""Rules that hold for the repository as a whole: who may import whom, words, message catalogues."""
