"""Claims about seeds and chance, tried in lecture 03."""

CLAIMS = []
