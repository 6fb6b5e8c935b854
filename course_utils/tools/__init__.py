"""The machinery behind the course: building notebooks, judging and grading answers, presenting lectures."""
