"""The section of the decisions that change, if this model takes the champion's place."""

from collections.abc import Callable, Iterator

from ..params import Task
from ..text import (
    NARROW,
    Section,
    cell,
    clean,
    code,
    number,
    percent,
    places,
    short,
    span,
    table,
    tag,
)
from .charts import bar, labels, polygon
from .comparison import Moved, MovedSlice, Shadow

Quote = Callable[[str], str]
"""How a stranger's word is shown: in HTML, in Markdown, on a terminal."""


def section(task: Task, found: Shadow, champion: str, which: str, confidence: str) -> Section:
    """The share that changes, the picture of the differences, the slices with the most change.

    Args:
        champion: its name as Markdown; `which` rows are held out, and what an interval is called,
            are plain words.
    """
    parts = [about(task, found, champion, f", {which}"), differences(task, found)]
    parts += [chart(task, found), slices(task, found)]
    body = "\n\n".join(filter(None, parts))
    return Section(title(task), answer(task, found, confidence, tag), body)


def lines(task: Task, found: Shadow, champion: str, confidence: str) -> Iterator[str]:
    """The same without pictures, for a terminal."""
    yield f"{title(task)}: {answer(task, found, confidence, clean)}"
    yield about(task, found, champion, "")
    yield differences(task, found)
    for one in found.slices:
        share = f"{shown(one.share, one)} of {one.rows:,} rows{bounds(one)}"
        yield f"{clean(one.slice)} {clean(one.group)}: {share}"


def title(task: Task) -> str:
    return "Predictions" if task.kind == "regression" else "Decisions"


def answer(task: Task, found: Shadow, confidence: str, quote: Quote) -> str:
    """The share that changes, and which way."""
    limit = f" by more than {amount(found.limit)}" if task.kind == "regression" else ""
    verb = "move" if task.kind == "regression" else "change"
    if not found.changed:
        return f"none of {found.rows:,} {verb}s{limit}"
    spread = bounds(found, f"{confidence} ")
    return f"{shown(found.share, found)} {verb}{limit}{spread}: {ways(task, found, quote)}"


def ways(task: Task, found: Shadow, quote: Quote) -> str:
    """Which way decisions change, as part of a sentence."""
    if found.up is None or found.down is None:
        most = found.moves[0]
        share = shown(most.rows / found.rows, found)
        return f"most often class {most.old} becomes {most.new} ({share})"
    up, down = shown(found.up, found), shown(found.down, found)
    if task.kind == "regression":
        return f"{up} up, {down} down"
    return f"{up} become {quote(task.target)}, {down} no longer are"


def shown(share: float, whole: Moved) -> str:
    """A share with the digits that the whole one needs."""
    return percent(share, digits(whole))


def digits(whole: Moved) -> int:
    return max(places(100 * whole.share, 1), 1)


def bounds(one: Moved, name: str = "") -> str:
    """An interval in percent, in brackets; nothing where there is none."""
    if one.low is None or one.high is None:
        return ""
    return f" ({name}{span(100 * one.low, 100 * one.high, digits(one))})"


def amount(value: float | None) -> str:
    return number(value, places(value))


def about(task: Task, found: Shadow, champion: str, which: str) -> str:
    """Which rows, what counts as a change, and who was right."""
    groups = f" in {found.clusters:,} clusters of {code(task.cluster)}" if task.cluster else ""
    text = f"This model beside the champion, {champion}, on the {found.rows:,} held-out rows"
    text += f"{groups}{which}. {rule(task, found)}"
    if not found.changed:
        return text
    now, before = (percent(part / found.changed) for part in (found.right, found.right_before))
    if task.kind == "regression":
        return f"{text} Of the {found.changed:,} that do, {now} come nearer to the truth."
    return (
        f"{text} Of the {found.changed:,} that change, {now} are right now, {before} were before."
    )


def rule(task: Task, found: Shadow) -> str:
    """What counts as a change."""
    target = code(task.target)
    if task.kind == "binary":
        return f"A score from {short(found.limit or 0)} on is decided as {target}."
    if task.kind == "multiclass":
        return "A row's decision is its likeliest class."
    limit = f"{amount(found.limit)}, a fifth of the standard deviation of {target}"
    return f"A prediction counts when it moves by more than {limit} (Cohen's small effect)."


def scored(task: Task) -> str:
    """What a difference is one of."""
    known = {"binary": "score", "regression": "prediction"}
    return known.get(task.kind, "chance of the champion's class")


def chart(task: Task, found: Shadow) -> str:
    """The histogram of the differences; its ends hold what lies beyond them too."""
    if found.width is None:
        return ""
    middle = len(found.bars) // 2
    names = labels([(place - middle) * found.width for place in range(len(found.bars))])
    heights = [100 * rows / found.rows for rows in found.bars]
    what = scored(task).capitalize()
    return polygon(heights, names, f"{what}, now less champion", "Held-out rows, %")


def differences(task: Task, found: Shadow) -> str:
    """How the scores differ, in one sentence."""
    if not found.largest:
        return f"Every {scored(task)} is the champion's."
    known = found.quantiles
    count = places(max(abs(known[key] or 0) for key in ("0.01", "0.99")) or found.largest, 2)
    mean, largest = number(found.mean, count, sign=True), number(found.largest, count)
    most, far = (
        span(known[low], known[high], count, sign=True)
        for low, high in (("0.05", "0.95"), ("0.01", "0.99"))
    )
    text = f"The {scored(task)} moves by {mean} on average: by {most} in 90{NARROW}% of the rows, "
    text += f"by {far} in 98{NARROW}%, by {largest} at most"
    if found.rank_correlation is None:
        return f"{text}."
    return f"{text}; rank correlation {number(found.rank_correlation)}."


def slices(task: Task, found: Shadow) -> str:
    """The slices with the most change, and how many there are beside them."""
    if not (found.changed and found.slices):
        return ""
    most = found.slices[0].share
    head, align = ["Slice", "Changed", "", "Rows"], "lrlr"
    if found.up is not None:
        head[3:3], align = directions(task), "lrlrrr"
    body = [[*line(one, most), f"{one.rows:,}"] for one in found.slices]
    note = "The slices with the most change; the fewer the rows, the more of it may be chance."
    if rest := found.slices_judged - len(found.slices):
        note += f" Not listed: {rest:,} slice{'s' * (rest > 1)} with less."
    return f"{table(head, align, body)}\n\n<sub>{note}</sub>"


def directions(task: Task) -> list[str]:
    """The headings of the two ways."""
    if task.kind == "regression":
        return ["Up", "Down"]
    return [f"To {cell(task.target)}", f"From {cell(task.target)}"]


def line(one: MovedSlice, most: float) -> list[str]:
    """A slice's name, share, bar, and which way."""
    name = f"{cell(one.group)} <sub>{cell(one.slice)}</sub>"
    spread = bounds(one).replace(" ", " <sub>", 1)
    share = f"{shown(one.share, one)}{spread}{'</sub>' * bool(spread)}"
    sides = [shown(way, one) for way in (one.up, one.down) if way is not None]
    return [name, share, bar(one.share / most, 12), *sides]
