"""The data sets of the course: what they are, under which terms, where they lie, and how to get them.

Knows nothing about what the files hold beyond names and checksums; imports nothing but the standard library.
"""

from __future__ import annotations

from pycap.catalog.datasets import DATASETS, Dataset, get_dataset
from pycap.catalog.places import find, find_any, locate, user_folder

__all__ = ["DATASETS", "Dataset", "find", "find_any", "get_dataset", "locate", "user_folder"]
