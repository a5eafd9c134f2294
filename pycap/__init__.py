"""pycap: captions for pictures, by visual attention on C++ and CUDA kernels.

    from pycap import Captioner

    captioner = Captioner.load()
    print(captioner("photo.jpg").text)

Public names are imported when they are first used, so `import pycap` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pycap.captioner import Caption, Captioner
    from pycap.data.images import ImageError
    from pycap.figure import draw_attention

__version__ = "0.1.0"
__all__ = ["Caption", "Captioner", "ImageError", "__version__", "draw_attention"]

_HOMES = {
    "Caption": "pycap.captioner",
    "Captioner": "pycap.captioner",
    "ImageError": "pycap.data.images",
    "draw_attention": "pycap.figure",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pycap' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
