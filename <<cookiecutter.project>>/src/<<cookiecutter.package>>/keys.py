"""Keys that several rows have, found on the disk: memory does not follow the number of rows."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

Keys = Callable[[], Iterator[pl.DataFrame]]
Hashes = NDArray[np.uint64]

PARTS = 64
"""Files into which hashes are dealt; one of them is in memory at a time."""


def doubled(keys: Keys, folder: Path) -> pl.DataFrame:
    """The keys that more than one row has, each once; keys with a missing value are none.

    Rows meet by hash, and those that met are looked at again.

    Args:
        keys: gives all keys, some rows at a time, as often as it is called.
        folder: where 8 bytes a key are kept meanwhile.
    """
    for some in keys():
        deal(some.drop_nulls().hash_rows().to_numpy(), folder)
    met = pl.Series(np.concatenate([repeated(place(folder, part)) for part in range(PARTS)]))
    if met.is_empty():
        return next(keys()).clear()
    found = pl.concat(some.filter(some.hash_rows().is_in(met.implode())) for some in keys())
    found = found.drop_nulls()
    return found.filter(found.is_duplicated()).unique()


def place(folder: Path, part: int) -> Path:
    return folder / f"{part}.hashes"


def deal(hashes: Hashes, folder: Path) -> None:
    """Append each hash to the file of its part, which its highest bits say."""
    ordered = np.sort(hashes)
    edges = np.arange(1, PARTS, dtype=np.uint64) * np.uint64(2**64 // PARTS)
    for part, some in enumerate(np.split(ordered, np.searchsorted(ordered, edges))):
        if len(some):
            with place(folder, part).open("ab") as file:
                file.write(some.tobytes())


def repeated(file: Path) -> Hashes:
    """The hashes that are there more than once; the file is removed."""
    if not file.exists():
        return np.empty(0, dtype=np.uint64)
    hashes = np.sort(np.fromfile(file, dtype=np.uint64))
    file.unlink()
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
