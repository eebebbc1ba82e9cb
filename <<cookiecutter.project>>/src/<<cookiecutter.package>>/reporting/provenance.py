"""Where the models of a report come from, and how they were compared."""

from ..text import Section, clean, code, link, number, places, prose, table, tag
from .comparison import Holdout, Model
from .facts import Facts
from .sides import beside, sides
from .wording import title


def provenance(facts: Facts) -> Section:
    """Where each part comes from, by the hashes of `dvc.lock`."""
    task, options = facts.params.task, facts.params.train
    estimator = options.estimator.rpartition(".")[2]
    what = f"{code(estimator)} predicts {code(task.target)} from {len(task.features)} features"
    found = sides(facts)
    lines = [beside("Commit", found, lambda one: one.commit or "–")]
    for name, (path, _) in facts.inputs.items():
        label = f"{name} <sub>{code(path)}</sub>" if path else name
        lines.append([label, *(code(one.hashes[name][:8] or "–") for one in found)])
    head = ["Origin", *(one.title for one in found)] if len(found) > 1 else ["Origin", "Value"]
    body = table(head, "l" * len(head), lines)
    note = "<sub>Hashes are the first eight digits of the MD5 in `dvc.lock`.</sub>"
    parts = [f"{what}, by `params.yaml`.", body, note, *method(facts)]
    now = own(facts)
    shown = clean(now.commit[:7]) if now and now.commit else facts.commit.replace("`", "")
    answer = f"{shown}, {tag(estimator)}"
    return Section(
        "Provenance and method" if facts.comparison else "Provenance", answer, "\n\n".join(parts)
    )


def own(facts: Facts) -> Model | None:
    """The model itself, as a comparison tells it."""
    models = facts.comparison.models if facts.comparison else None
    return models.now if models else None


def method(facts: Facts) -> list[str]:
    """How a comparison was made, in small print."""
    found = facts.comparison
    if found is None or found.models is None:
        return []
    text = f"{rows(found.holdout)}{facts.confidence}s of paired differences, by influence "
    text += "functions summed over clusters. Differences are taken before rounding. ▲ and ▼ only "
    text += "where the interval leaves out 0. ↓: low values are good; the drawing always has "
    text += "better on the right."
    notes = [f"<sub>{text}{shows(facts)}</sub>"]
    for name, model in (("Base", found.base), ("Production", found.champion)):
        if model is not None and model.scored != "own" and model.why:
            how = "was scored again" if model.scored == "again" else "could not be scored"
            notes.append(f"{name} {how}: {prose(model.why)}")
    return notes


def rows(held: Holdout | None) -> str:
    """On what every model is scored, as a sentence; nothing where it is not known."""
    if held is None:
        return ""
    text = f"Every model is scored on the same {held.rows:,} held-out rows in {held.clusters:,} "
    text += f"clusters, worth {number(held.effective_clusters, 1)} of equal size"
    return text + (f" (sha256 {code(held.sha256[:12])}). " if held.sha256 else ". ")


def shows(facts: Facts) -> str:
    """How small a difference the held-out rows can show at all."""
    found = facts.comparison
    least = found.headline.detectable if found and found.headline else None
    if found is None or least is None:
        return ""
    text = f" These rows show a true difference of {number(least, max(places(least, 2), 3))} in"
    return f"{text} {title(found.metric)} four times in five."


def origin(facts: Facts) -> str:
    """The report's last line."""
    found = sides(facts)
    parts = [found[0].commit]
    base = next((one for one in found if one.title == "Base"), None)
    if base is not None and base.commit:
        parts[0] += f" against {base.commit.replace('<sub>', 'on ').replace('</sub>', '')}"
    parts += [f"{name.lower()} {code(md5[:8])}" for name, md5 in found[0].hashes.items() if md5]
    run = facts.comparison.run if facts.comparison else None
    parts += [link("run and log", run)] if run else []
    return f"<sub>{' · '.join(parts)}</sub>"
