"""Choosing which accesses become views, where each that does not pays a price of its own."""
