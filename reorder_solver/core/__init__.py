"""The problem, its solutions and what they cost. Needs numpy only."""
