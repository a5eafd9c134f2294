"""The eight-week course: from one neuron to the captioner."""
