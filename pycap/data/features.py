"""A disk cache of frozen CNN regions: each picture is encoded once, ever.

One folder per encoder and preprocessing. In it `regions.f16` holds one picture after the other, and `index.txt`
one line a picture, its key, in the same order. A key is the SHA-256 of the picture file, with `:mirror` behind it
for the mirrored picture. Rows are appended before their keys, so a kill at any moment leaves at worst rows
without a key, which the next writer overwrites.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pycap.config import PreprocessConfig
from pycap.data.images import ImageError, preprocess, read_image

MIRROR = ":mirror"


def default_cache() -> Path:
    """Return the cache folder: `$PYCAP_CACHE`, else `$XDG_CACHE_HOME/pycap`, else `~/.cache/pycap`."""
    if folder := os.environ.get("PYCAP_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pycap"


def content_key(image: Path) -> str:
    """Return the SHA-256 of a picture file, in hex."""
    return hashlib.sha256(image.read_bytes()).hexdigest()


class FeatureCache:
    """Regions of pictures by content, memory-mapped.

    Args:
        folder: where all caches live; this encoder gets a folder of its own in it.
        encoder: name that changes whenever the CNN's output would ("lite2-<digest of its weights>").
        preprocess: how pictures become pixels; part of the key.
        shape: regions and channels of a picture.
    """

    def __init__(self, folder: Path, encoder: str, preprocess: PreprocessConfig, shape: tuple[int, int]):
        self.preprocess, self.shape = preprocess, shape
        name = f"{encoder}-{preprocess.size}px-{preprocess.mean:g}-{preprocess.std:g}-{shape[0]}x{shape[1]}"
        self.folder = Path(folder) / "features" / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self._row_bytes = int(np.prod(shape)) * 2
        self._reload()

    def _reload(self) -> None:
        index, data = self.folder / "index.txt", self.folder / "regions.f16"
        keys = index.read_text().split("\n")[:-1] if index.exists() else []  # a torn last line does not count
        stored = data.stat().st_size // self._row_bytes if data.exists() else 0
        keys = keys[:stored]
        self._rows = {key: row for row, key in enumerate(keys)}
        self._count = len(keys)
        self._map = np.memmap(data, np.float16, "r", shape=(self._count, *self.shape)) if keys else None

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def rows(self, keys: Sequence[str]) -> np.ndarray:
        """Return the positions of keys in the cache, `(len(keys),)`; KeyError for one that is not stored."""
        return np.array([self._rows[key] for key in keys], dtype=np.int64)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return regions by position, `(len(rows), regions, channels)` float16."""
        return self._map[rows]

    @contextmanager
    def _writer(self) -> Iterator[tuple]:
        """Open both files for appending, one process at a time, cut back to what the index vouches for."""
        import fcntl  # not on Windows, where captioning must work all the same

        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._reload()
            lines = "".join(key + "\n" for key in self._rows)
            with (
                open(self.folder / "regions.f16", "ab") as data,
                open(self.folder / "index.txt", "a") as index,
            ):
                data.truncate(self._count * self._row_bytes)
                index.truncate(len(lines))
                yield data, index

    def fill(
        self,
        images: Sequence[Path],
        encode: Callable[[np.ndarray], np.ndarray],
        mirror: bool = False,
        batch: int = 32,
        progress: Callable[[int], None] = lambda count: None,
        workers: int = 2,
    ) -> dict[Path, str]:
        """Encode what is not cached yet.

        Args:
            images: picture files.
            encode: pixels `(batch, 3, size, size)` float32 to regions `(batch, regions, channels)`.
            mirror: also the mirrored pictures, for training.
            batch: pictures per call of `encode`.
            progress: told how many pictures are done, cached ones included.
            workers: threads that read pictures.

        Returns:
            the pictures that could not be read, each with one line that says why.
        """
        failed: dict[Path, str] = {}

        def load(image: Path) -> tuple[Path, list[tuple[str, np.ndarray]]]:
            try:
                key = content_key(image)
                wanted = [name for name in (key, key + MIRROR)[: 1 + mirror] if name not in self._rows]
                if not wanted:
                    return image, []
                pixels = preprocess(read_image(image, at_least=2 * self.preprocess.size), self.preprocess)
                return image, [
                    (name, pixels[:, :, ::-1] if name.endswith(MIRROR) else pixels) for name in wanted
                ]
            except (ImageError, OSError) as error:
                failed[image] = str(error)
                return image, []

        with self._writer() as (data, index), ThreadPoolExecutor(workers) as pool:
            seen: set[str] = set()
            for start in range(0, len(images), batch):
                chunk = images[start : start + batch]
                fresh = {
                    name: pixels
                    for _, found in pool.map(load, chunk)
                    for name, pixels in found
                    if name not in seen
                }
                seen.update(fresh)
                if fresh:
                    regions = encode(np.stack(list(fresh.values()))).astype(np.float16)
                    if regions.shape[1:] != self.shape:
                        expected = ", ".join(map(str, self.shape))
                        raise ValueError(f"encode must return (batch, {expected}), got {regions.shape}")
                    data.write(regions.tobytes())
                    data.flush()
                    index.write("".join(name + "\n" for name in fresh))
                    index.flush()
                progress(len(chunk))
        self._reload()
        return failed
