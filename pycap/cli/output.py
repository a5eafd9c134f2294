"""Where a caption goes: a line on stdout, a figure, a file beside the picture."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pycap import cli
from pycap.cli.lines import escape_line
from pycap.cli.sidecar import write_atomically, write_sidecar

if TYPE_CHECKING:
    from pycap.captioner import Caption
    from pycap.cli.sources import Source

FIGURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
DIGITS = 5  # decimals of attention in JSON


@dataclass
class Output:
    """Writes one caption after the other.

    Args:
        json: one JSON object a line instead of text.
        n_best: captions a picture; above 1 each gets a line of its own, with its score.
        single: there is only one picture, so its line needs no name.
        attention: where figures go, None for none.
        sidecar: "txt" or "json" for a file beside each picture, None for none.
    """

    json: bool
    n_best: int
    single: bool
    attention: Path | None
    sidecar: str | None
    _figures: set[Path] = field(default_factory=set)

    def write(self, source: Source, caption: Caption) -> str:
        """Write all that is wanted of a caption; return "" or one line that says what could not be done."""
        self._print(source.name, caption)
        try:
            if self.attention is not None:
                self._draw(source, caption)
            if self.sidecar is not None:  # last: it says that the picture is done
                write_sidecar(source.name, self.sidecar, caption.text, encode_json(source.name, caption))
        except OSError as error:
            return f"{source.name}: cannot write {error.filename}: {error.strerror}"
        except ValueError as error:
            return cli.describe_error(error)
        return ""

    def _print(self, name: str, caption: Caption) -> None:
        if self.json:
            print(encode_json(name, caption), flush=True)
            return
        columns = [] if self.single else [escape_line(name)]
        if self.n_best == 1:
            print(*columns, caption.text, sep="\t", flush=True)
            return
        for text, score in caption.n_best:
            print(*columns, text, f"{score:.4f}", sep="\t", flush=True)

    def _draw(self, source: Source, caption: Caption) -> None:
        from pycap.data.images import read_image
        from pycap.figure import draw_attention

        path = figure_path(self.attention, source.name, self.single, self._figures)
        self._figures.add(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn, file = draw_attention(read_image(open_source(source)), caption), io.BytesIO()
        kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}.get(path.suffix.lower(), "PNG")
        drawn.save(file, kind, quality=92)
        write_atomically(path, file.getvalue())


def encode_json(name: str, caption: Caption) -> str:
    """Return one result as a line of JSON.

    A name that is no UTF-8 holds `\\udcXX` escapes, from which Python's `os.fsencode` restores it.
    """
    record = {
        "image": name,
        "caption": caption.text,
        "score": round(caption.score, 6),
        "n_best": [{"caption": text, "score": round(score, 6)} for text, score in caption.n_best],
        "words": list(caption.words),
        "attention": [
            [[round(x, DIGITS) for x in row] for row in word] for word in caption.attention.tolist()
        ],
    }
    return json.dumps(record)


def figure_path(wanted: Path, name: str, single: bool, taken: set[Path]) -> Path:
    """Return where a picture's figure goes.

    Args:
        wanted: the option's value.
        name: the picture.
        single: whether it is the only one, so that `wanted` may be the file itself.
        taken: figures of this run; pictures of one name in different folders get numbers.
    """
    is_file = wanted.suffix.lower() in FIGURE_SUFFIXES and not wanted.is_dir()
    if single and is_file:
        return wanted
    stem = escape_line(Path(name).stem) if name != "-" else "stdin"
    folder, prefix, suffix = (
        (wanted.parent, f"{wanted.stem}-", wanted.suffix) if is_file else (wanted, "", ".png")
    )
    path, number = folder / f"{prefix}{stem}{suffix}", 1
    while path in taken:
        number += 1
        path = folder / f"{prefix}{stem}-{number}{suffix}"
    return path


def open_source(source: Source) -> Any:
    """Return what `read_image` reads: the path, or the picture on standard input with a name of its own."""
    if source.data is None:
        return source.name
    stream = io.BytesIO(source.data)
    stream.name = "standard input"
    return stream
