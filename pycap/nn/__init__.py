"""Layers that the captioner is made of, each small enough to be taught."""
