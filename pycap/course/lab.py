"""What an experiment works with: its settings, its data, and places for tables, pictures and models."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pycap.course.units import Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy import ndarray
    from torch import Tensor, nn

Item = TypeVar("Item")

STYLE = {
    "figure.dpi": 110,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.which": "major",
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}


class Lab:
    """One run of a unit's experiment.

    Args:
        unit: what is run.
        folder: where its pictures, tables and models go; made if it is missing.
        quick: under a minute instead of the whole.
        seed: of every random number.
        data: what the user gave as `--data`, for the unit's data set; None: looked for.

    Raises:
        ValueError: the folder cannot be made.
    """

    def __init__(
        self, unit: Unit, folder: Path, quick: bool = False, seed: int = 0, data: Path | None = None
    ):
        self.unit, self.folder, self.quick, self.seed = unit, Path(folder), quick, seed
        self._given = data
        self._tables: dict[str, list[dict]] = {}
        self._started = time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                f"{self.folder} cannot be made ({error.strerror}); give another folder with --out or PYCAP_COURSE"
            ) from None

    @property
    def given(self) -> Path | None:
        """What the user gave as `--data`, unlooked at."""
        return self._given

    def data(self, *names: str) -> Path:
        """Return where a data set of the catalog lies; of several, the first that is there.

        Raises:
            ValueError, FileNotFoundError: it is not there; the message says how to get it.
        """
        from pycap.catalog import find_any

        return find_any(names, self._given)

    def say(self, text: str) -> None:
        """Print one line of the answer."""
        print(text, flush=True)

    def progress(self, items: Iterable[Item], title: str, total: int | None = None) -> Iterable[Item]:
        """Go through `items` with a bar on stderr, silently where stderr is no terminal."""
        from tqdm import tqdm

        return tqdm(items, desc=title, total=total, leave=False, file=sys.stderr, disable=None)

    def table(self, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Print a table, and keep it for `results.json`.

        Args:
            title: its name.
            rows: one mapping a row, all with the same keys, which are the heads of the columns; numbers are shown
                to four digits.
        """
        self._tables[title] = [dict(row) for row in rows]
        print(f"\n{title}\n{format_table(rows)}", flush=True)

    def finish(self) -> None:
        """Write `results.json`: the tables as they were measured, and how."""
        how = {
            "unit": self.unit.name,
            "quick": self.quick,
            "seed": self.seed,
            "seconds": round(time.monotonic() - self._started, 1),
        }
        text = json.dumps(how | {"tables": self._tables}, indent=1, default=_plain)
        (self.folder / "results.json").write_text(text + "\n", encoding="utf-8")

    @contextmanager
    def picture(
        self, name: str, alt: str, rows: int = 1, columns: int = 1, size: tuple[float, float] = (6.4, 4.0)
    ) -> Iterator[tuple[Figure, Axes | ndarray]]:
        """Draw a picture in the course's style, and save it as `name.png`.

        Args:
            name: of the file, without its suffix.
            alt: what it shows, in words.
            rows, columns: of its panels.
            size: in inches.

        Yields:
            the figure, and its axes as `matplotlib.figure.Figure.subplots` returns them.
        """
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        with matplotlib.rc_context(STYLE):
            figure = Figure(figsize=size, layout="constrained")
            FigureCanvasAgg(figure)
            yield figure, figure.subplots(rows, columns)
            path = self.folder / f"{name}.png"
            figure.savefig(path, metadata={"Software": None, "Description": alt})
        self.say(f"picture: {path}")

    def save_model(self, name: str, module: nn.Module, **settings: Any) -> None:
        """Keep a trained network: `name.safetensors`, and `name.json` with what it takes to build it again."""
        from safetensors.torch import save_file

        weights = {key: value.detach().contiguous().clone() for key, value in module.state_dict().items()}
        save_file(weights, self.folder / f"{name}.safetensors")
        settings = {"quick": self.quick, "seed": self.seed} | settings
        (self.folder / f"{name}.json").write_text(
            json.dumps(settings, indent=1, default=_plain) + "\n", "utf-8"
        )

    def load_model(self, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the weights and the settings of a network that an experiment kept.

        Raises:
            FileNotFoundError: it was not trained yet; the message says how.
            ValueError: its files are broken.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        weights, settings = (self.folder / f"{name}.{suffix}" for suffix in ("safetensors", "json"))
        command = f"pycap course run {self.unit.name}"
        for path in (weights, settings):
            if not path.is_file():
                raise FileNotFoundError(
                    f"no trained model in {self.folder} ({path.name}); train it: {command}"
                )
        try:
            return load_file(weights), json.loads(settings.read_text(encoding="utf-8"))
        except (SafetensorError, ValueError) as error:
            raise ValueError(
                f"the model in {self.folder} cannot be read ({error}); train it again: {command}"
            ) from None


def format_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return an aligned table: words to the left, numbers to the right and to four digits."""
    if not rows:
        return "(no rows)"
    heads = list(rows[0])
    cells = [[_show(row[head]) for head in heads] for row in rows]
    widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(heads))]
    right = [all(_is_number(row[head]) for row in rows) for head in heads]
    lines = [heads, ["-" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in lines
    )


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, (int, float)) or hasattr(value, "__float__")


def _show(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, (bool, int, str)):
        return str(value)
    return f"{float(value):.4g}" if _is_number(value) else str(value)


def _plain(value: object) -> object:
    """Turn what JSON does not know, such as numbers of NumPy and paths, into what it knows."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
