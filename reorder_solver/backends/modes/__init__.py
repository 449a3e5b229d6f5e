"""Latency: one mode per access, and the bounds that decide which."""
