"""Claims about learning curves, tried in lecture 01."""

CLAIMS = []
