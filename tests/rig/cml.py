"""Stands in for `cml comment update`: the requests of CML 0.20.6, and its limits.

It reads the first 30 comments only, never shortens a body, tries once, and any error of the server
ends it with 1. With publishing on it would upload local files and crash, so that is refused.
"""

import argparse
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

MARK = "CML watermark"


def main() -> int:
    options = parsed(sys.argv[1:])
    if options.publish != "false":
        print("cml: --publish=false is missing", file=sys.stderr)
        return 7
    try:
        print(update(options))
    except urllib.error.HTTPError as error:
        print(f"HttpError: {json.loads(error.read() or b'{}').get('message')}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"HttpError: {error}", file=sys.stderr)
        return 1
    return 0


def parsed(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("cml")
    parser.add_argument("noun", choices=["comment"])
    parser.add_argument("verb", choices=["update"])
    for flag in ("repo", "driver", "target", "watermark-title", "publish"):
        parser.add_argument(f"--{flag}")
    parser.add_argument("--token", default=os.environ.get("REPO_TOKEN"))
    parser.add_argument("report", type=Path)
    return parser.parse_args(words)


def update(options: argparse.Namespace) -> str:
    server, _, rest = options.repo.partition("://")[2].partition("/")
    api = f"https://{server}/api/v3"
    login = urllib.parse.quote(os.environ["GITHUB_ACTOR"], safe="")
    ask(options.token, "GET", f"{api}/users/{login}")
    with open(os.environ["GITHUB_EVENT_PATH"], encoding="utf-8") as event:
        pull = json.load(event).get("pull_request")
    sha = pull["head"]["sha"] if pull else os.environ["GITHUB_SHA"]
    number = options.target.removeprefix("pr/")
    comments = f"{api}/repos/{rest}/issues/{number}/comments"
    mark = f'![](https://cml.dev/watermark.png#{sha} "{MARK}'
    title = f' {options.watermark_title}")'
    body = options.report.read_text(encoding="utf-8") + f"\n\n{mark}{title}"
    mine = [c for c in ask(options.token, "GET", comments) if f'"{MARK}{title}' in c["body"]]
    if mine:
        newest = max(mine, key=lambda comment: comment["id"])
        place = f"{api}/repos/{rest}/issues/comments/{newest['id']}"
        return str(ask(options.token, "PATCH", place, {"body": body})["html_url"])
    return str(ask(options.token, "POST", comments, {"body": body})["html_url"])


def ask(token: str, method: str, address: str, body: dict[str, str] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, method=method)
    request.add_header("Authorization", f"token {token}")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


if __name__ == "__main__":
    sys.exit(main())
