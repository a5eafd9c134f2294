"""The compiled operations and their plain PyTorch twins: the only door to `pycap._cpu` and `pycap._cuda`."""

from pycap.ops.attend_lstm import (
    AttendLSTMWeights,
    attend_lstm,
    attend_lstm_reference,
    attend_lstm_step,
    attend_lstm_step_reference,
)
from pycap.ops.library import (
    backend,
    describe,
    missing_reason,
    native_available,
    set_threads,
    use,
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
