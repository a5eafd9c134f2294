"""Trainings and models compared by quality, each a script of its own; what they found is in LOG.md."""
