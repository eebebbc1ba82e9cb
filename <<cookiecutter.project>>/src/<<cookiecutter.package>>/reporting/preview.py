"""Show a report as a comment on GitHub looks: its parser, its styles, its charts.

What GitHub does after parsing is not public in full. Raw HTML stays as it is here, but no script of
the report's runs: the page allows only its own.
"""

import html
import os
import re
import secrets
from pathlib import Path

CSS, MERMAID = "github-markdown-css/github-markdown.css", "@mermaid-js/tiny/dist/mermaid.tiny.js"
SIGNS = {"+": "pl-mi1", "-": "pl-md"}
"""The classes of a diff's lines in GitHub's styles."""

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src https: data:;
  font-src data:; style-src 'unsafe-inline' file:; script-src 'nonce-{nonce}'">
<title>{title}</title>
<link rel="stylesheet" href="{assets}/{css}">
<style>
  body {{ margin: 0; background: #fff }}
  main {{ box-sizing: border-box; max-width: 882px; margin: 12px auto; border: 1px solid #d1d9e0;
    border-radius: 6px }}
  header {{ padding: 8px 16px; font: 14px sans-serif; color: #59636e; background: #f6f8fa;
    border-bottom: 1px solid #d1d9e0; border-radius: 6px 6px 0 0 }}
  .markdown-body {{ padding: 16px; font-size: 14px; border-radius: 6px }}
  .markdown-body pre.mermaid {{ background: none; padding: 0 }}
  @media (max-width: 905px) {{ main {{ margin: 12px }} }}
  @media (prefers-color-scheme: dark) {{
    body {{ background: #0d1117 }}
    main, header {{ border-color: #3d444d }}
    header {{ color: #9198a1; background: #151b23 }}
  }}
</style>
<main><header><b>github-actions</b> bot commented</header>
<article class="markdown-body">
{body}</article></main>
<script nonce="{nonce}" src="{assets}/{mermaid}"></script>
<script nonce="{nonce}">
  // Mermaid measures what it draws, so closed parts are open while it does.
  const closed = [...document.querySelectorAll("details:not([open])")];
  const dark = matchMedia("(prefers-color-scheme: dark)");
  closed.forEach((part) => (part.open = true));
  mermaid.initialize({{ startOnLoad: false, theme: dark.matches ? "dark" : "default" }});
  mermaid.run({{ querySelector: ".mermaid", suppressErrors: true }}).finally(() => {{
    closed.forEach((part) => (part.open = false));
    document.body.dataset.ready = "yes";
  }});
  dark.addEventListener("change", () => location.reload());
</script>
"""


def run(report: Path, assets: Path, output: Path) -> None:
    """Write the page of a Markdown file.

    Args:
        assets: a folder of npm packages, which the page refers to.
    """
    where = os.path.relpath(assets, output.parent)
    output.write_text(page(report.read_text(encoding="utf-8"), where), encoding="utf-8")
    print(f"preview: {output}")


def page(markdown: str, assets: str) -> str:
    """The whole page."""
    title = markdown.partition("\n")[0].lstrip("# ")
    return PAGE.format(
        title=html.escape(title),
        body=body(markdown),
        assets=html.escape(assets),
        css=CSS,
        mermaid=MERMAID,
        nonce=secrets.token_hex(8),
    )


def body(markdown: str) -> str:
    """What GitHub's parser makes of a comment, in which a line break is one."""
    import cmarkgfm
    from cmarkgfm.cmark import Options

    options = Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_HARDBREAKS
    found: str = cmarkgfm.github_flavored_markdown_to_html(markdown, options=options)
    found = re.sub(
        r'<pre lang="mermaid"><code>(.*?)</code></pre>',
        r'<pre class="mermaid">\1</pre>',
        found,
        flags=re.DOTALL,
    )
    return re.sub(r'(?<=<pre lang="diff"><code>).*?(?=</code>)', coloured, found, flags=re.DOTALL)


def coloured(diff: re.Match[str]) -> str:
    """A diff's lines in red and green."""
    return "\n".join(
        f'<span class="{SIGNS[line[0]]}">{line}</span>' if line[:1] in SIGNS else line
        for line in diff[0].split("\n")
    )
