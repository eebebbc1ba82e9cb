"""The whole page: one file that asks the network for nothing and runs no script."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any

from ..reporting.wording import title
from . import cards, draw, ledger, progress, staleness, timeline

Data = dict[str, Any]

PANELS: list[tuple[str, Callable[[Data], str]]] = [
    ("Models on main", progress.panel),
    ("Champions", timeline.panel),
    ("Staleness", staleness.panel),
    ("Operations", cards.panel),
    ("What was ever in production", ledger.panel),
]
"""Title and content of each part, in their order; a new part is a new line."""

STYLE = """
:root { color-scheme: light dark; --ground: #f6f8fa; --card: #fff; --line: #d1d9e0;
  --faint: #e6eaef; --text: #1f2328; --soft: #59636e; --blue: #0969da; --band: #b6d4fb;
  --pale: #8c959f; --orange: #bc4c00; --warn: #fff8c5; --edge: #d4a72c }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --card: #151b23; --line: #3d444d;
  --faint: #262c36; --text: #f0f6fc; --soft: #9aa2ab; --blue: #4493f8; --band: #1f4478;
  --pale: #7d8590; --orange: #f0883e; --warn: #272115; --edge: #9e6a03 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif }
main, header, footer { max-width: 904px; margin: 0 auto; padding: 0 12px }
header { padding-top: 28px }
h1 { margin: 0; font-size: 15px; font-weight: 600; color: var(--soft); overflow-wrap: anywhere }
h2 { margin: 0 0 4px; font-size: 19px; line-height: 1.3 }
h3 { margin: 0; font-size: 14px; font-weight: 600; display: flex; gap: 8px; align-items: center;
  justify-content: space-between }
p { margin: 0 }
.solid, td code { white-space: nowrap }
a { color: var(--blue) }
code, .hash { font-family: ui-monospace, SFMono-Regular, Menlo, "Liberation Mono", monospace;
  font-size: 0.88em }
.state { margin: 4px 0 2px; font-size: 30px; font-weight: 650; line-height: 1.2;
  letter-spacing: -0.01em }
.facts { color: var(--soft); overflow-wrap: anywhere }
section { margin: 20px 0; padding: 20px; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px }
.finding { margin-bottom: 4px; font-weight: 600 }
.lead { margin-bottom: 14px; color: var(--soft); font-size: 14px }
.empty { margin-top: 10px; padding: 22px 20px; border: 1px dashed var(--line); border-radius: 8px;
  color: var(--soft) }
.warning { margin-top: 12px; padding: 8px 12px; background: var(--warn);
  border: 1px solid var(--edge); border-radius: 6px; font-size: 13px; overflow-wrap: anywhere }
figure { margin: 0 }
svg { display: block; max-width: 100%; height: auto; overflow: visible }
svg text { font-size: 12px; fill: var(--text) }
svg .tick { fill: var(--soft); font-size: 11.5px; font-variant-numeric: tabular-nums }
svg .version { font-weight: 600 }
svg .rolled { fill: var(--orange) }
.grid { stroke: var(--faint) }
.upright { stroke-dasharray: 2 4 }
.trend { fill: none; stroke: var(--pale); stroke-width: 1.5 }
.interval { stroke: var(--pale); stroke-width: 1.5; opacity: 0.75 }
.model { fill: var(--card); stroke: var(--pale); stroke-width: 2 }
.champion, .now { fill: var(--blue) }
.champion { stroke: var(--card); stroke-width: 1.5 }
.bar { fill: var(--pale) }
.band { fill: var(--band) }
.step { stroke: var(--pale); stroke-width: 1.5 }
.back { stroke: var(--orange); stroke-width: 2; stroke-dasharray: 4 3 }
.heat0 { fill: var(--faint) }
.heat1 { fill: var(--band) }
.heat2 { fill: var(--blue); fill-opacity: 0.6 }
.narrow { display: none }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(186px, 1fr)); gap: 12px }
.card { display: flex; flex-direction: column; gap: 4px; padding: 14px;
  border: 1px solid var(--line); border-radius: 8px }
.value { font-size: 26px; font-weight: 650; line-height: 1.25; letter-spacing: -0.01em;
  font-variant-numeric: tabular-nums }
.unknown { color: var(--soft); font-weight: 400 }
.basis, .definition { color: var(--soft); font-size: 13px }
.definition { margin-top: auto; padding-top: 6px; border-top: 1px solid var(--faint) }
.card svg { margin: 2px 0 }
.pill { padding: 0 7px; border: 1px solid var(--line); border-radius: 20px; color: var(--soft);
  font-size: 11px; font-weight: 500; line-height: 1.7 }
details { margin-top: 12px; font-size: 14px }
summary { color: var(--soft); cursor: pointer; width: fit-content }
table { width: 100%; margin-top: 8px; border-collapse: collapse; font-size: 13.5px }
th, td { padding: 7px 8px; border-bottom: 1px solid var(--faint); text-align: left;
  vertical-align: top; overflow-wrap: anywhere; font-variant-numeric: tabular-nums }
th { color: var(--soft); font-weight: 600; border-color: var(--line); overflow-wrap: normal }
tr:last-child td { border-bottom: 0 }
footer { padding-bottom: 32px; color: var(--soft); font-size: 13px; overflow-wrap: anywhere }
@media (max-width: 700px) {
  section { margin: 14px 0; padding: 14px 12px }
  .state { font-size: 24px }
  .wide { display: none }
  .narrow { display: block }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
  table, tbody, tr, td { display: block }
  tr { padding: 8px 0; border-bottom: 1px solid var(--line) }
  tr:last-child { border-bottom: 0 }
  td { display: grid; grid-template-columns: 112px minmax(0, 1fr); gap: 8px; padding: 2px 0;
    border: 0 }
  td::before { content: attr(data-label); color: var(--soft) }
}
"""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; \
style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<header>{opening}</header>
<main>
{panels}
</main>
<footer>{footer}</footer>
</body>
</html>
"""


def page(data: Data) -> str:
    """The HTML of what `gitops.site` gathered."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return PAGE.format(
        hash=digest,
        style=STYLE,
        title=draw.text(f"{data['name']}: models in production"),
        opening=opening(data),
        panels="\n".join(section(*each, data) for each in PANELS),
        footer=footer(data),
    )


def section(name: str, content: Callable[[Data], str], data: Data) -> str:
    place = name.lower().replace(" ", "-")
    head = draw.tag("h2", draw.text(name), id=place)
    return draw.tag("section", head + content(data), aria_labelledby=place)


def opening(data: Data) -> str:
    """What is in production, in words."""
    name = draw.tag("h1", draw.link(data["name"], data["web"]))
    if not data["releases"]:
        state, facts = "Nothing is in production yet", "`make promote` puts main's model there"
    else:
        now, since = data["releases"][-1], data["moves"][-1]
        state = f"{now['version']} is in production"
        facts = f"its model {now['model'][:8]} since {draw.date(since['since'])}"
        if now["value"] is not None:
            facts = f"{title(now['metric'])} {timeline.value(now)}, {facts}"
        if since["back"]:
            facts += ", by a rollback"
    told = draw.tag("p", draw.text(state), class_="state")
    return name + told + draw.tag("p", draw.prose(facts), class_="facts")


def footer(data: Data) -> str:
    """How far the page reaches."""
    commits = f"main at {data['main'][:7]}"
    if data["release"]:
        commits += f", release at {data['release'][:7]}"
    told = f"From git's history as of {draw.moment(data['as_of'])} UTC ({commits}); times are UTC. "
    own = draw.tag("a", "data.json", href="data.json")
    return f"{draw.text(told, 200)} The same as data: {own}."
