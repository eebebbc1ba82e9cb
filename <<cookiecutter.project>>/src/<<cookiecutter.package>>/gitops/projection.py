"""What makes MLflow's registry agree with `release`'s history: a plan, made of plain values.

Each model that was ever in production is one version, described by the first release that brought
it; the alias `champion` is on the one that is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .history import Release
from .side import HOLDOUT, TRAIN

CHAMPION = "champion"
OURS = "model_md5"
"""The tag by which a version is known as ours."""


@dataclass(frozen=True)
class Version:
    """A version as MLflow has it."""

    number: int
    tags: dict[str, str]


@dataclass(frozen=True)
class Found:
    """The registered model as MLflow has it."""

    versions: Sequence[Version] = ()
    aliases: dict[str, int] = field(default_factory=dict)

    def of(self, model: str) -> list[Version]:
        """Our versions of a model, the lowest first: that one counts."""
        found = (version for version in self.versions if version.tags.get(OURS) == model)
        return sorted(found, key=lambda version: version.number)


@dataclass(frozen=True)
class Register:
    """Make a version of a model, from its first release."""

    release: Release

    def __str__(self) -> str:
        return f"register {called(self.release)}"


@dataclass(frozen=True)
class Correct:
    """Give a version the tags that it should have."""

    version: int
    tags: dict[str, str]

    def __str__(self) -> str:
        return f"correct {', '.join(self.tags)} of version {self.version}"


@dataclass(frozen=True)
class Point:
    """Put the alias on a release's model."""

    release: Release

    def __str__(self) -> str:
        return f"point {CHAMPION!r} at {called(self.release)}"


@dataclass(frozen=True)
class Remove:
    """Remove a version that doubles another: two that registered at once, and one was killed."""

    version: int
    kept: int

    def __str__(self) -> str:
        return f"remove version {self.version}, which doubles version {self.kept}"


Action = Register | Correct | Point | Remove


def called(release: Release) -> str:
    return f"the model {release.model[:8]} of v{release.number} ({release.commit[:7]})"


def plan(history: Sequence[Release], found: Found) -> list[Action]:
    """What makes MLflow agree with a history that is not empty; nothing, where it does."""
    firsts: dict[str, Release] = {}
    for release in history:
        firsts.setdefault(release.model, release)
    return [
        *mended(firsts, found),
        *pointed(history[-1], found),
        *doubled(firsts, found),
    ]


def mended(firsts: dict[str, Release], found: Found) -> Iterator[Action]:
    """Versions that are not there, and tags that are not what they should be."""
    for model, release in firsts.items():
        if not (ours := found.of(model)):
            yield Register(release)
            continue
        wrong = {k: v for k, v in tags(release).items() if ours[0].tags.get(k) != v}
        if wrong:
            yield Correct(ours[0].number, wrong)


def pointed(champion: Release, found: Found) -> Iterator[Action]:
    ours = found.of(champion.model)
    if not ours or found.aliases.get(CHAMPION) != ours[0].number:
        yield Point(champion)


def doubled(firsts: dict[str, Release], found: Found) -> Iterator[Action]:
    """Further versions of one model, but for those that somebody's alias is on."""
    theirs = {number for alias, number in found.aliases.items() if alias != CHAMPION}
    for model in firsts:
        for version in found.of(model)[1:]:
            if version.number not in theirs:
                yield Remove(version.number, found.of(model)[0].number)


def tags(release: Release) -> dict[str, str]:
    """What a version says of its model, by the first release that brought it."""
    named = {
        OURS: release.model,
        "train_md5": release.lock.get(TRAIN, ""),
        "holdout_md5": release.lock.get(HOLDOUT, ""),
        "environment_md5": release.environment,
        "dvc_lock": release.identity,
        "release": f"v{release.number}",
        "commit": release.commit,
        "merged_by": release.who,
        "merged_at": release.when,
        "pull_request": str(release.pull or ""),
    }
    return {name: value for name, value in named.items() if value}
