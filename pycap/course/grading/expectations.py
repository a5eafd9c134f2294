"""What a check may expect of a student's answer, and what is said when it does not hold."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

LONG = 300  # characters of a value that are shown


class Task(NamedTuple):
    """One assignment.

    Attributes:
        name: what the student's file must define, a function or a class.
        title: what it is about.
        check: takes the student's object, raises `Wrong` where it is not right.
    """

    name: str
    title: str
    check: Callable[[Any], None]


class Wrong(Exception):
    """A student's answer is not right.

    Args:
        expected: what should have come, a value or words.
        got: what came.
        given: the case, as the student would type it.
        hint: a thought that leads on without giving the answer away.
    """

    def __init__(self, expected: Any, got: Any, given: str = "", hint: str = ""):
        self.expected, self.got, self.given, self.hint = show(expected), show(got), given, hint
        super().__init__(f"{given}: expected {self.expected}, got {self.got}")


def show(value: Any) -> str:
    """Return a value in few words: itself when it is short, else its shape and first numbers."""
    if isinstance(value, str):
        return value if len(value) <= LONG else value[:LONG] + "..."
    array = _as_array(value)
    if array is not None and array.dtype.kind in "biufc":
        text = np.array2string(array, precision=6, threshold=20, edgeitems=3, separator=", ")
        text = " ".join(text.split())
        return text if array.ndim == 0 or array.size <= 6 else f"{text} of shape {array.shape}"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a student's own class may have a broken repr
        text = f"an object of {type(value).__name__}"
    return text if len(text) <= LONG else text[:LONG] + "..."


def expect_close(got: Any, expected: Any, given: str, hint: str = "", tolerance: float = 1e-6) -> None:
    """Raise `Wrong` unless two numbers or arrays have one shape and agree.

    Args:
        got: the student's answer: a number, nested lists, a NumPy array or a torch tensor; tuples of arrays of
            different shapes are compared part by part.
        expected: likewise.
        given: the case.
        hint: shown with the difference.
        tolerance: allowed difference, times 1 + the expected size.
    """
    left, right = _as_array(got), _as_array(expected)
    table = (
        isinstance(expected, list) and right is not None and right.dtype.kind in "biufc"
    )  # no parts: one array
    if not table and isinstance(expected, (tuple, list)) and any(_is_part(part) for part in expected):
        _expect_parts(got, expected, given, hint, tolerance)
        return
    if left is None or left.dtype.kind not in "biufc":
        raise Wrong(expected, f"{show(got)} ({_kind(got)})", given, hint or "return numbers")
    if left.shape != right.shape:
        raise Wrong(f"shape {right.shape}: {show(right)}", f"shape {left.shape}: {show(left)}", given, hint)
    with np.errstate(all="ignore"):
        good = np.isclose(left, right, rtol=tolerance, atol=tolerance, equal_nan=True)
    if not good.all():
        raise Wrong(right, left, given, hint)


def _is_part(value: Any) -> bool:
    return _as_array(value) is None or np.ndim(value) > 0


def _expect_parts(got: Any, expected: Any, given: str, hint: str, tolerance: float) -> None:
    if len({np.shape(part) for part in expected}) == 1 and isinstance(got, np.ndarray):
        got = list(got)  # parts of one shape may come as one array
    if not isinstance(got, (tuple, list)) and not (_as_array(got) is not None and np.ndim(got) > 0):
        raise Wrong(f"{len(expected)} parts", f"{show(got)} ({_kind(got)})", given, hint)
    if len(got) != len(expected):
        raise Wrong(f"{len(expected)} parts", f"{len(got)} parts: {show(got)}", given, hint)
    for i, (part, other) in enumerate(zip(got, expected, strict=True), 1):
        expect_close(part, other, f"{given}, part {i} of {len(expected)}", hint, tolerance)


def expect_equal(got: Any, expected: Any, given: str, hint: str = "") -> None:
    """Raise `Wrong` unless two values are the same; lists, tuples and arrays of the same items count as the same.

    Args:
        got: the student's answer.
        expected: numbers, strings, truth values, None, or lists, dicts and sets of them.
        given: the case.
        hint: shown with the difference.
    """
    if _plain(got) != _plain(expected):
        raise Wrong(expected, got, given, hint)


def expect_error(
    call: Callable[[], Any], kind: type[BaseException], given: str, hint: str = "", saying: str = ""
) -> None:
    """Raise `Wrong` unless a call raises an error of this kind, whose message contains `saying`."""
    try:
        got = call()
    except kind as error:
        if saying.lower() not in str(error).lower():
            raise Wrong(f"a {kind.__name__} that says {saying!r}", str(error), given, hint) from None
    except NotImplementedError:
        raise
    except Exception as error:
        raise Wrong(f"a {kind.__name__}", f"{type(error).__name__}: {error}", given, hint) from None
    else:
        raise Wrong(f"a {kind.__name__}", got, given, hint)


@contextlib.contextmanager
def expect_unchanged(given: str, **arguments: Any) -> Iterator[None]:
    """Raise `Wrong` if what runs inside changes one of these arrays or lists."""
    before = {name: np.array(_as_array(value), copy=True) for name, value in arguments.items()}
    yield
    for name, value in arguments.items():
        after = _as_array(value)
        if after.shape != before[name].shape or not np.array_equal(
            after, before[name], equal_nan=after.dtype.kind in "fc"
        ):
            raise Wrong(
                f"{name} left as it was: {show(before[name])}",
                after,
                given,
                f"{name} belongs to the caller: work on a copy",
            )


def _as_array(value: Any) -> np.ndarray | None:
    """Return a value as an array, or None where it is none."""
    try:
        return np.asarray(_without_gradients(value))
    except (ValueError, TypeError, RuntimeError, RecursionError):  # ragged, no numbers, a list in itself
        return None


def _without_gradients(value: Any) -> Any:
    """Return nested lists with NumPy arrays in the place of tensors."""
    if hasattr(value, "detach"):
        return value.detach().cpu().numpy()
    if isinstance(value, (list, tuple)) and any(
        hasattr(part, "detach") or isinstance(part, (list, tuple)) for part in value
    ):
        return [_without_gradients(part) for part in value]
    return value


def _plain(value: Any) -> Any:
    """Turn arrays and tuples into lists, numbers of NumPy and torch into Python's."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return {_plain_key(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, (set, frozenset)):
        return {_plain_key(part) for part in value}
    return value


def _plain_key(value: Any) -> Any:
    plain = _plain(value)
    return tuple(plain) if isinstance(plain, list) else plain


def _kind(value: Any) -> str:
    if value is None:
        return "nothing was returned"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
