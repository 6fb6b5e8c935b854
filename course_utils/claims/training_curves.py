"""Claims about training curves, tried in lecture 02."""

CLAIMS = []
