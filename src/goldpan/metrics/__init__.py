"""Numbers that judge: recall with ties, accuracy, intervals, agreement."""
