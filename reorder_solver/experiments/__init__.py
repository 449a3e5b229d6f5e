"""Experiments: networks trained here, pruned, exported, and measured."""
