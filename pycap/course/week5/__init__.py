"""Attention: how a decoder chooses what to look at."""
