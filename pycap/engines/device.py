"""Which device computes."""

from __future__ import annotations


def choose_device(device: str) -> str:
    """Return the device to use, "auto" resolved; imports torch unless it is "cpu".

    Raises:
        ValueError: this machine does not have it, or torch, which runs it, is not installed; one line.
    """
    if device == "cpu":
        return device
    try:
        import torch
    except ModuleNotFoundError:
        if device == "auto":
            return "cpu"
        raise ValueError(
            f"device {device!r} needs PyTorch, which is not installed; pip install torch, or take cpu"
        ) from None
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        wanted = torch.device(device)
    except RuntimeError:
        raise ValueError(f"device must be cpu, cuda, cuda:NUMBER or auto, got {device!r}") from None
    if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        seen = (
            f"sees {torch.cuda.device_count()} GPUs" if torch.version.cuda else "was installed without CUDA"
        )
        raise ValueError(
            f"device {device!r} cannot be used: torch {torch.__version__} {seen}; take cpu or auto"
        )
    return device
