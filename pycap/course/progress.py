"""What a student has done so far: one JSON file in the course's home folder."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path

from pycap.course.units import Unit


def course_home() -> Path:
    """Return where progress, trained models and pictures are kept: `PYCAP_COURSE`, else the user's data folder."""
    given = os.environ.get("PYCAP_COURSE")
    if given:
        return Path(given).expanduser()
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "pycap" / "course"


class Progress:
    """The tasks passed and the experiments run, with the day of each.

    Args:
        path: the file; None: `progress.json` in the course's home.

    Raises:
        ValueError: the file is there and is not what this class wrote.
    """

    def __init__(self, path: Path | None = None):
        self.path = path or course_home() / "progress.json"
        self._units: dict[str, dict] = {}
        if self.path.exists():
            self._units = _read(self.path)

    def passed(self, unit: Unit) -> set[str]:
        """Return the names of the unit's tasks that passed when they were last checked."""
        return set(self._units.get(unit.name, {}).get("tasks", {}))

    def ran(self, unit: Unit) -> str | None:
        """Return the day of the last complete experiment, with ` (quick)` behind it, or None."""
        return self._units.get(unit.name, {}).get("ran")

    def note_tasks(self, unit: Unit, results: dict[str, bool]) -> None:
        """Remember which tasks passed today; one that passed before and fails now is forgotten."""
        tasks = self._units.setdefault(unit.name, {}).setdefault("tasks", {})
        for name, passed in results.items():
            if passed:
                tasks.setdefault(name, date.today().isoformat())
            else:
                tasks.pop(name, None)
        self._write()

    def note_run(self, unit: Unit, quick: bool) -> None:
        """Remember that the experiment ran to its end today."""
        day = date.today().isoformat()
        self._units.setdefault(unit.name, {})["ran"] = f"{day} (quick)" if quick else day
        self._write()

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self._units, indent=1) + "\n", encoding="utf-8")
        part.replace(self.path)


def _read(path: Path) -> dict[str, dict]:
    remedy = "mend it, or move it away to begin anew"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"{path} is no JSON file; {remedy}") from None
    if not isinstance(found, dict) or not all(
        isinstance(unit, dict) and isinstance(unit.get("tasks", {}), dict) for unit in found.values()
    ):
        raise ValueError(f"{path} is not a record of the course's progress; {remedy}")
    return found
