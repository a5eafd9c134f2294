"""Where a data set lies: the place given, PYCAP_DATA, ./data, the user's folder, then what packages ship."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from pycap.catalog.datasets import Dataset, get_dataset


def user_folder() -> Path:
    """Return the folder of downloaded data sets, `~/.local/share/pycap/data`, or as XDG_DATA_HOME says."""
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".local" / "share") / "pycap" / "data"


def find(name: str, given: str | os.PathLike[str] | None = None) -> Path:
    """Return where a data set lies.

    Args:
        name: one of `DATASETS`.
        given: the user's own place, which alone is looked at then: its folder, a folder of data sets, or one file
            where the data set's reader takes one.

    Returns:
        The folder that holds its files (or the file given).

    Raises:
        ValueError: no data set of this name.
        FileNotFoundError: it is not there; the line says where it was looked for and how to get it.
    """
    dataset = get_dataset(name)
    if given is not None:
        return _resolve_given(dataset, Path(given))
    found = locate(dataset)
    if found is None:
        looked = ", ".join(str(place) for place in _list_roots(dataset))
        raise FileNotFoundError(f"{name}: not found in {looked}; {describe_remedy(dataset)}")
    return found


def find_any(names: Sequence[str], given: str | os.PathLike[str] | None = None) -> Path:
    """Return where the first of several data sets lies that is there; each can take the place of the others.

    Args:
        names, given: as for `find`.

    Raises:
        ValueError: no data set of such a name.
        FileNotFoundError: none is there; the line is that of the first, and names the others.
    """
    first, *others = names
    try:
        return find(first, given)
    except FileNotFoundError as error:
        for name in others:
            with suppress(FileNotFoundError):
                return find(name, given)
        instead = " or ".join(f"pycap data get {name}" for name in others)
        raise FileNotFoundError(f"{error}; or take another one instead: {instead}") from None


def locate(dataset: Dataset) -> Path | None:
    """Return the first of the usual places that holds the data set, or None."""
    for root, shared in _list_places(dataset):
        if (found := _match(dataset, root, shared)) is not None:
            return found
    return None


def describe_remedy(dataset: Dataset) -> str:
    """Say how to get a data set that is not there."""
    place = user_folder() / dataset.name
    ways = [f"pycap data get {dataset.name} downloads it"] if dataset.downloads else []
    ways += [dataset.remedy] if dataset.remedy else []
    return "; ".join([*ways, f"its place is {place}, or give yours with --data or PYCAP_DATA"])


def _resolve_given(dataset: Dataset, given: Path) -> Path:
    if not given.exists():
        raise FileNotFoundError(f"{given}: no such file or folder; check the path of {dataset.name}")
    if given.is_file():
        return given
    found = _match(dataset, given) or _match(dataset, given / dataset.name)
    if found is None:
        expected = " or ".join(dataset.marks)
        raise FileNotFoundError(f"{given}: no {expected} in it; give the folder that holds {dataset.name}")
    return found


def _match(dataset: Dataset, root: Path, shared: bool = False) -> Path | None:
    """Return the folder at or below root that holds the data set.

    Args:
        shared: root holds several data sets, so that loose marks such as `*.csv` say nothing about root itself.
    """
    below = [root / dataset.name] if shared else [root]
    below += [root / name for name in dataset.folders]
    below += [root / dataset.name / name for name in dataset.folders] if shared else []
    for folder in below:
        try:
            if folder.is_dir() and any(next(folder.glob(mark), None) for mark in dataset.marks):
                return folder
        except OSError:  # not ours to read
            continue
    return None


def _list_places(dataset: Dataset) -> Iterator[tuple[Path, bool]]:
    """Yield places in the order of search, and whether each is a folder of several data sets."""
    if os.environ.get("PYCAP_DATA"):
        yield Path(os.environ["PYCAP_DATA"]).expanduser(), True
    yield Path("data"), True
    yield user_folder(), True
    if dataset.system_folder:
        yield Path(dataset.system_folder), False
    if dataset.package and (folder := find_package(dataset.package)):
        yield folder / dataset.package_folder, False


def _list_roots(dataset: Dataset) -> list[Path]:
    return [root / dataset.name if shared else root for root, shared in _list_places(dataset)]


def find_package(name: str) -> Path | None:
    """Return the folder of an installed package without importing it."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin).parent if spec and spec.origin else None
