"""Answers that run in another process than their checks: what crosses the border, and both of its sides."""
