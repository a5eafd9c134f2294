"""The compiled operations and their plain PyTorch twins: the only door to `pycap._cpu` and `pycap._cuda`.

Names are imported when they are first used: what needs no torch (`library`, `packed`) does not import it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pycap.ops.library import (
        backend,
        describe,
        missing_reason,
        native_available,
        set_threads,
        use,
    )
    from pycap.ops.recurrence import (
        AttendLSTMWeights,
        attend_lstm,
        attend_lstm_reference,
        attend_lstm_step,
        attend_lstm_step_reference,
    )

__all__ = [
    "AttendLSTMWeights",
    "attend_lstm",
    "attend_lstm_reference",
    "attend_lstm_step",
    "attend_lstm_step_reference",
    "backend",
    "describe",
    "missing_reason",
    "native_available",
    "set_threads",
    "use",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'pycap.ops' has no attribute {name!r}")
    home = "recurrence" if name.lower().startswith("attend") else "library"
    value = globals()[name] = getattr(import_module(f"pycap.ops.{home}"), name)
    return value
