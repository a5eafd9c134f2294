"""Layers by hand in NumPy, forward and backward: what autograd does, without autograd."""
