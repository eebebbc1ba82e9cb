"""A poisoned model file is refused before anything in it runs. Each payload here would leave a file
behind if it ran."""

import builtins
import functools
import io
import json
import operator
import os
import pickle
import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from conftest import load
from scipy.sparse import spmatrix
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

Refuse = Callable[..., str]


@pytest.fixture
def owned(tmp_path: Path) -> Path:
    """What every payload would make."""
    return tmp_path / "owned"


@pytest.fixture
def refuse(tmp_path: Path, owned: Path) -> Refuse:
    """Write a model file, load it, and say with which sentence it was refused."""

    def call(content: bytes, **keys: str) -> str:
        file = tmp_path / "model.skops"
        file.write_bytes(content)
        with pytest.raises(load("errors").ProjectError) as error:
            load("model").load(file, **keys)
        assert not owned.exists()
        assert "\n" not in str(error.value)
        return str(error.value)

    return call


class Payload:
    """Runs a command when it is unpickled, and whatever skops makes of `__reduce__`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def archive(schema: Any, **entries: bytes) -> bytes:
    """A skops file, written by hand."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        for name, content in entries.items():
            made.writestr(name, content)
        made.writestr("schema.json", json.dumps(schema))
    return target.getvalue()


def node(loader: str, dotted: str, **more: Any) -> dict[str, Any]:
    module, _, name = dotted.rpartition(".")
    plain = {"__class__": name, "__module__": module, "__loader__": loader, "protocol": 2}
    return plain | {"_skops_version": skops.__version__} | more


def text(value: Any) -> dict[str, Any]:
    return node("JsonNode", "builtins.str", content=json.dumps(value), is_json=True)


def arguments(*values: Any) -> dict[str, Any]:
    return node("TupleNode", "builtins.tuple", content=[text(value) for value in values])


SPARSE = node("SparseMatrixNode", f"{spmatrix.__module__}.spmatrix", type="scipy", file="1.npz")
"""The one sparse type that skops trusts by itself."""


def test_the_payloads_are_real(owned: Path) -> None:
    """Unpickled, or called, each would have made the file: the tests below prove something."""
    for function, words in (
        (os.system, f"touch {owned}"),
        (builtins.eval, f"open({str(owned)!r}, 'w').close()"),
        (subprocess.check_call, ["touch", str(owned)]),
    ):
        pickle.loads(pickle.dumps(Payload(function, words)))
        owned.unlink()


def test_a_pickle_is_no_model(refuse: Refuse, owned: Path) -> None:
    """Nor is one that calls itself a skops file, or lies in one under the name of its schema."""
    poison = pickle.dumps(Payload(os.system, f"touch {owned}"))
    assert "is no model file" in refuse(poison)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        made.writestr("schema.json", poison)
    assert "is no model file" in refuse(target.getvalue())


def test_a_pickle_inside_an_array_is_not_opened(refuse: Refuse, owned: Path) -> None:
    """An array of objects is a pickle; numpy is told to read none."""
    array = io.BytesIO()
    poison = np.array([Payload(os.system, f"touch {owned}")], dtype=object)
    np.save(array, poison, allow_pickle=True)
    schema = node("NdArrayNode", "numpy.ndarray", type="numpy", file="1.npy")
    said = refuse(archive(schema, **{"1.npy": array.getvalue()}))
    assert "allow_pickle=False" in said
    matrix = io.BytesIO()
    np.savez(matrix, format=b"csr", data=poison)
    said = refuse(archive(SPARSE, **{"1.npz": matrix.getvalue()}))
    assert "'1.npz' in it is an archive itself" in said


@pytest.mark.parametrize(
    ("loader", "dotted"),
    [
        ("ConstructorFromReduceNode", "posix.system"),
        ("ConstructorFromReduceNode", "builtins.eval"),
        ("ConstructorFromReduceNode", "builtins.exec"),
        ("ConstructorFromReduceNode", "subprocess.Popen"),
        ("ConstructorFromReduceNode", "subprocess.check_call"),
        ("ListNode", "subprocess.check_call"),
        ("SetNode", "posix.system"),
        ("DictNode", "antigravity.open"),
        ("NdArrayNode", "os.system"),
        ("ObjectNode", "no_such_package.Thing"),
        ("TypeNode", "os.system"),
        ("FunctionNode", "os.system"),
        ("FunctionNode", "builtins.__import__"),
    ],
)
def test_a_type_that_is_not_listed_is_named_and_not_touched(
    refuse: Refuse, owned: Path, loader: str, dotted: str
) -> None:
    """Whichever loader of skops it is smuggled through; not even its module is imported."""
    words = f"touch {owned}"
    content: Any = arguments(words)
    more: dict[str, Any] = {"content": content}
    if loader in ("ListNode", "SetNode"):
        more = {"content": [text(words)]}
    elif loader == "DictNode":
        more = {"content": {}, "key_types": node("ListNode", "builtins.list", content=[])}
    elif loader == "NdArrayNode":
        more = {"type": "json", "content": [text(words)], "shape": arguments(1)}
    said = refuse(archive(node(loader, dotted, **more)))
    assert f"holds the type {dotted}, which is not trusted" in said


def test_a_listed_type_lends_its_trust_to_nobody(refuse: Refuse, owned: Path) -> None:
    """functools.partial is on the list, as gradient boosters hold one; what it calls is not."""
    partial = node(
        "PartialNode",
        "functools.partial",
        content={
            "func": node("FunctionNode", "posix.system"),
            "args": arguments(f"touch {owned}"),
            "kwds": text({}),
            "namespace": text(None),
        },
    )
    assert "functools.partial" in load("model").TRUSTED
    assert "holds the type posix.system" in refuse(archive(partial))


@pytest.mark.parametrize("name", ["methodcaller", "attrgetter", "itemgetter"])
def test_an_operator_is_not_trusted(refuse: Refuse, owned: Path, name: str) -> None:
    """methodcaller('system', ...)(os) is a call like any other."""
    schema = node("OperatorFuncNode", f"operator.{name}", attrs=arguments("system"))
    assert f"holds the type operator.{name}" in refuse(archive(schema))


def test_a_method_is_not_trusted(refuse: Refuse, owned: Path) -> None:
    """Even of an object that is."""
    scaler = "sklearn.preprocessing._data.StandardScaler"
    owner = node("ObjectNode", scaler)
    schema = node("MethodNode", scaler, content={"obj": owner, "func": "__init__"})
    assert "StandardScaler, which is not trusted" in refuse(archive(schema))


@pytest.mark.parametrize(
    "function",
    [
        functools.partial(os.system),
        operator.methodcaller("system"),
        os.system,
        eval,
        subprocess.check_call,
        Payload(list, (1, 2)),
    ],
    ids=["partial", "methodcaller", "system", "eval", "check_call", "reduce"],
)
def test_what_skops_itself_writes_of_it_is_refused(refuse: Refuse, function: Any) -> None:
    """In a pipeline that looks like ours, behind a step that calls what it is given."""
    poisoned = make_pipeline(FunctionTransformer(function), StandardScaler())
    assert "which is not trusted" in refuse(skops.io.dumps(poisoned))
    with pytest.raises(load("errors").ProjectError, match="not trusted"):
        load("model").dump(poisoned)


def test_the_list_inside_a_model_counts_for_nothing(refuse: Refuse, owned: Path) -> None:
    """MLflow's loader trusts the types that the model's own MLmodel file names; ours reads none."""
    schema = node("ConstructorFromReduceNode", "posix.system", content=arguments(f"touch {owned}"))
    trusted = b"flavors:\n  sklearn:\n    skops_trusted_types: [posix.system]\n"
    said = refuse(archive(schema | {"trusted": ["posix.system"]}, MLmodel=trusted))
    assert "holds the type posix.system" in said


def test_the_name_of_a_type_is_shown_as_plain_text(refuse: Refuse) -> None:
    """It is a stranger's: no escape sequence reaches the terminal, no line break the sentence."""
    said = refuse(archive(node("ObjectNode", "a.b\x1b[2J\nmodel.py: all is well")))
    assert "\x1b" not in said


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_bomb_is_not_unpacked(
    refuse: Refuse, method: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 MB of nothing in some kB: refused by its directory, before anything is read."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as made:
        made.writestr("schema.json", bytes(2**26))
    monkeypatch.setattr(zipfile.ZipFile, "read", None)
    assert "'schema.json' in it is compressed" in refuse(target.getvalue())


def test_a_zip_bomb_that_declares_little_is_not_unpacked(refuse: Refuse) -> None:
    """The directory says that the entry has ten bytes, and that it is stored."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("schema.json", bytes(2**26))
    bomb = bytearray(target.getvalue())
    place = bomb.rindex(b"PK\x01\x02")
    bomb[place + 24 : place + 28] = struct.pack("<I", 10)
    assert "is compressed" in refuse(bytes(bomb))
    bomb[place + 10 : place + 12] = struct.pack("<H", zipfile.ZIP_STORED)
    assert "is no model file" in refuse(bytes(bomb))


def test_entries_that_share_bytes_are_not_read(refuse: Refuse) -> None:
    """Fifield's bomb: many entries of the directory point at one that is stored once."""
    whole = archive({}, kernel=bytes(2**16))
    start = whole.index(b"PK\x01\x02")
    entry = whole[start : whole.index(b"PK\x01\x02", start + 4)]
    directory = entry * 1000
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1000, 1000, len(directory), start, 0)
    said = refuse(whole[:start] + directory + end)
    assert "its 1,000 entries say 65,536,000 bytes" in said


def test_a_bomb_inside_a_sparse_matrix_is_not_unpacked(refuse: Refuse) -> None:
    """scipy keeps a matrix as an archive of its own, which numpy would unpack."""
    inner = io.BytesIO()
    np.savez_compressed(inner, data=np.zeros(2**23))
    said = refuse(archive(SPARSE, **{"1.npz": inner.getvalue()}))
    assert "'1.npz' in it is an archive itself" in said


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size is asked first."""
    monkeypatch.setattr(load("model"), "LARGEST", 10)
    monkeypatch.setattr(Path, "read_bytes", None)
    assert "has 11 bytes, and a model file no more than 10" in refuse(bytes(11))


def test_a_schema_that_is_too_deep_is_refused(refuse: Refuse) -> None:
    """Python's own limit ends it, as a sentence."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        made.writestr("schema.json", "[" * 200_000)
    assert "is no model file (RecursionError" in refuse(target.getvalue())


def test_every_truncation_is_refused(refuse: Refuse, made: Path) -> None:
    """Wherever the file ends."""
    whole = (made / "model.skops").read_bytes()
    for share in (0.0, 0.1, 0.5, 0.9, 0.999):
        assert "`make pull`" in refuse(whole[: int(share * len(whole))])


def test_a_changed_byte_is_refused(refuse: Refuse, made: Path) -> None:
    """By the hash of the lock, whatever the byte means."""
    whole = bytearray((made / "model.skops").read_bytes())
    whole[len(whole) // 2] ^= 1
    assert "is not the model that dvc.lock names (0123)" in refuse(bytes(whole), md5="0123")


def test_what_is_no_pipeline_is_refused(refuse: Refuse) -> None:
    """A list is trusted, and no model."""
    content = load("model").canonical(skops.io.dumps([1, 2]))
    assert "holds a list, no Pipeline" in refuse(content)
