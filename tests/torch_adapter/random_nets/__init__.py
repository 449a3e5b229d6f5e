"""Random networks with random masks: drawn, checked, and shrunk where they fail."""
