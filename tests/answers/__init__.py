"""Right and wrong answers to the exercises, the wrong ones with the message they have to get."""
