"""Dynamic programming over subsets of classes, and the branch and bound around it."""
