"""Models of the tracks branch."""
