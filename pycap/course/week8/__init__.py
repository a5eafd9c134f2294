"""Captioning: the pieces of all weeks together."""
