"""The model file: how a pipeline is built, written, read and asked.

Training, batch scoring and serving all come through here, so there is no skew between them.
"""

import hashlib
import io
import json
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from .errors import ProjectError
from .metrics import Values
from .params import Task
from .text import clean

TRUSTED = [
    "functools.partial",
    "numpy.dtype",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils.validation.check_array",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRFClassifier",
    "xgboost.sklearn.XGBRFRegressor",
    "xgboost.sklearn.XGBRegressor",
]
"""Types that a model file may hold beside those that skops trusts by itself. A review of this
list is a review of what a model may run. What a file, or MLflow beside it, says of trust counts
for nothing."""

LARGEST = 2**31
"""Bytes of a model file, and so of all that is in it: nothing in it is compressed."""

RARE = 250
"""Categories kept apart; the histogram of a gradient booster has room for 255."""


def build(task: Task, encoding: str, estimator: Any) -> Pipeline:
    """An unfitted pipeline from the raw columns to the estimator.

    Args:
        encoding: `ordinal` hands missing values and category codes to the estimator;
            `onehot` imputes, scales and expands first.
    """
    if encoding == "ordinal":
        numeric: Any = "passthrough"
        categorical: Any = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, max_categories=RARE
        )
    else:
        numeric = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler())
        categorical = OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=RARE)
    encode = ColumnTransformer(
        [("numeric", numeric, task.numeric), ("categorical", categorical, task.categorical)]
    )
    return Pipeline([("encode", encode), ("model", estimator)])


def create(dotted: str, arguments: dict[str, Any], task: Task, encoding: str, seed: int) -> Any:
    """An unfitted estimator by its dotted name, seeded where it can be.

    Raises:
        ProjectError: there is no such class, or it does not take these arguments.
    """
    module, _, name = dotted.rpartition(".")
    try:
        estimator = getattr(import_module(module), name)(**arguments)
    except (ImportError, AttributeError):
        raise ProjectError(
            f"train.estimator {dotted!r} cannot be imported: check its spelling and that "
            "requirements/ has its package (train.environment), then `make setup`"
        ) from None
    except TypeError as error:
        raise ProjectError(f"train.arguments do not fit {dotted}: {error}") from None
    known = estimator.get_params()
    if known.get("random_state", 0) is None:
        estimator.set_params(random_state=seed)
    if encoding == "ordinal" and known.get("categorical_features") == "from_dtype":
        # The encoder hands over codes without their type: say which columns hold them.
        codes = [name in task.categorical for name in task.features]
        estimator.set_params(categorical_features=codes)
    return estimator


def features(table: pl.DataFrame, task: Task) -> pl.DataFrame:
    """The columns that the model sees, in its order and with its types."""
    return table.select(
        pl.col(task.numeric).cast(pl.Float64), pl.col(task.categorical).cast(pl.String)
    )


def score(model: Pipeline, table: pl.DataFrame, task: Task) -> Values:
    """Shape (rows,): the chance of the positive class, or the predicted value; of many classes,
    shape (rows, classes), the chance of each."""
    frame = features(table, task)
    if task.kind == "binary":
        return np.asarray(model.predict_proba(frame)[:, 1], dtype=np.float64)
    if task.kind == "multiclass":
        return np.asarray(model.predict_proba(frame), dtype=np.float64)
    return np.asarray(model.predict(frame), dtype=np.float64)


def dump(model: Pipeline) -> bytes:
    """The model as a skops file: the same model gives the same bytes.

    Raises:
        ProjectError: the model holds a type that is not trusted, so nothing could load it.
    """
    binning = getattr(model[-1], "_bin_mapper", None)
    if binning is not None:
        binning.n_threads = None  # the number of threads of this machine is not part of the model
    content = skops.io.dumps(model)
    refuse_untrusted(content, "the trained model")
    # Which equal values are one object in memory is noted too, and settles in one round trip.
    return canonical(skops.io.dumps(skops.io.loads(content, trusted=TRUSTED)))


def load(path: Path, md5: str | None = None) -> Pipeline:
    """Read a model file under the allow-list; nothing in it is unpickled.

    Args:
        md5: of the file that is wanted, as dvc.lock names it.

    Raises:
        ProjectError: the file is missing, too large, not the wanted one or damaged, it is no
            pipeline, or holds a type that is not trusted. Nothing in it has run then.
    """
    content = read(path)
    if md5 and hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise ProjectError(f"{path} is not the model that dvc.lock names ({md5}): `make pull`")
    try:
        refuse_swollen(content, str(path))
        refuse_untrusted(content, str(path))
        model = skops.io.loads(content, trusted=TRUSTED)
    except ProjectError:
        raise
    except Exception as error:  # whatever a damaged or hostile file makes the libraries raise
        said = clean(f"{type(error).__name__}: {error}", 200)
        raise ProjectError(f"{path} is no model file ({said}): `make pull` it again") from None
    if not isinstance(model, Pipeline):
        raise ProjectError(f"{path} holds a {type(model).__name__}, no Pipeline: `make pull`")
    return model


def read(path: Path) -> bytes:
    """The bytes of a model file.

    Raises:
        ProjectError: it is missing or too large.
    """
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise ProjectError(
                f"{path} has {size:,} bytes, and a model file no more than {LARGEST:,} (LARGEST "
                "in model.py): `make pull`, or train a smaller model"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise ProjectError(f"{path} is missing: `make pull` or `make repro`") from None


def refuse_swollen(content: bytes, what: str) -> None:
    """Refuse an archive that is larger when it is read than it is as a file.

    An entry that is stored is never longer than its bytes in the file, whatever it declares; the
    sum tells entries that share bytes. numpy would unpack an archive inside: ours hold none.

    Raises:
        ProjectError: an entry is compressed or an archive, or all are larger than the file.
    """
    archive = zipfile.ZipFile(io.BytesIO(content))
    entries = archive.infolist()
    size = sum(max(entry.file_size, entry.compress_size) for entry in entries)
    why = "" if size <= len(content) else f"its {len(entries):,} entries say {size:,} bytes"
    for entry in entries:
        name = repr(clean(entry.filename))
        if entry.compress_type != zipfile.ZIP_STORED:
            why = f"{name} in it is compressed"
        elif not why and archive.open(entry).read(4) in (b"PK\x03\x04", b"PK\x05\x06"):
            why = f"{name} in it is an archive itself"
    if why:
        raise ProjectError(
            f"{what} has {len(content):,} bytes and would grow when it is read ({why}), which no "
            "model file does: `make pull` it again"
        )


def refuse_untrusted(content: bytes, what: str) -> None:
    unknown = sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED))
    if unknown:
        raise ProjectError(
            f"{what} holds the type {clean(unknown[0], 200)}, which is not trusted: read what it "
            "does, then add it to TRUSTED in model.py"
        )


def canonical(content: bytes) -> bytes:
    """A skops file without what differs between equal models.

    skops names objects by their memory address and stamps its zip entries with the clock; here
    both are numbered in the order of the schema. Entries are stored, not compressed, because
    builds of zlib differ.
    """
    source = zipfile.ZipFile(io.BytesIO(content))
    schema = json.loads(source.read("schema.json"))
    ids: dict[int, int] = {}
    files: dict[str, str] = {}

    def renumber(node: Any) -> None:
        if isinstance(node, dict):
            if "__id__" in node:
                node["__id__"] = ids.setdefault(node["__id__"], len(ids) + 1)
            name = node.get("file")
            if isinstance(name, str):
                node["file"] = files.setdefault(name, f"{len(files) + 1}{Path(name).suffix}")
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, dict | list):
                renumber(child)

    renumber(schema)
    entries = {new: unpadded(new, source.read(old)) for old, new in files.items()}
    entries["schema.json"] = json.dumps(schema, separators=(",", ":")).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in entries.items():
            entry = zipfile.ZipInfo(name)
            entry.create_system, entry.external_attr = 3, 0o644 * 2**16  # Unix, rw-r--r--
            archive.writestr(entry, data)
    return target.getvalue()


def unpadded(name: str, content: bytes) -> bytes:
    """An array of records without what memory happened to hold between their fields."""
    if not name.endswith(".npy"):
        return content
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    target = io.BytesIO()
    np.save(target, clean)
    return target.getvalue()
