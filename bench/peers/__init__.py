"""Fair rivals: what a careful user of PyTorch, ONNX Runtime or OpenVINO would write for the same weights."""
