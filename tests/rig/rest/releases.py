"""Releases."""

from typing import Any

from ..pull import Refused
from ..record import now
from .route import Asked, route

RELEASES = "/repos/{owner}/{repo}/releases"


@route(f"GET {RELEASES}", "contents:read")
def list_releases(asked: Asked) -> list[dict[str, Any]]:
    return list(reversed(asked.hub.releases))


@route(f"POST {RELEASES}", "contents:write", 201)
def create(asked: Asked) -> dict[str, Any]:
    """Make the tag too, where there is none."""
    hub, tag = asked.hub, asked.given("tag_name")
    if any(each["tag_name"] == tag for each in hub.releases):
        raise Refused(422, "Validation Failed", "already_exists")
    commit = hub.git.commit(asked.given("target_commitish") or hub.default_branch)
    if f"refs/tags/{tag}" not in hub.git.refs():
        if commit is None:
            raise Refused(422, "Validation Failed", "target_commitish is invalid")
        hub.git.set(f"refs/tags/{tag}", commit)
    place = f"{hub.api_url}/repos/{hub.name}/releases/{len(hub.releases) + 1}"
    release = {
        "id": len(hub.releases) + 1,
        "draft": False,
        "prerelease": False,
        "name": tag,
        "body": "",
        **asked.body,
        "author": asked.account.json(),
        "created_at": now(),
        "html_url": f"{hub.html_url}/releases/tag/{tag}",
        "upload_url": f"{place}/assets{{?name,label}}",
        "assets": [],
    }
    hub.releases.append(release)
    return release


@route(f"GET {RELEASES}/latest", "contents:read")
def latest(asked: Asked) -> dict[str, Any]:
    found = [r for r in asked.hub.releases if not r["draft"] and not r["prerelease"]]
    if not found:
        raise Refused(404, "Not Found")
    newest: dict[str, Any] = found[-1]
    return newest


@route(f"GET {RELEASES}/tags/{{tag}}", "contents:read")
def by_tag(asked: Asked) -> dict[str, Any]:
    for release in asked.hub.releases:
        if release["tag_name"] == asked.parameters["tag"]:
            return release
    raise Refused(404, "Not Found")


@route(f"PATCH {RELEASES}/{{release_id}}", "contents:write")
def update(asked: Asked) -> dict[str, Any]:
    for release in asked.hub.releases:
        if release["id"] == asked.number("release_id"):
            release.update(asked.body)
            return release
    raise Refused(404, "Not Found")


@route(f"POST {RELEASES}/{{release_id}}/assets", "contents:write", 201)
def upload(asked: Asked) -> dict[str, Any]:
    """GitHub has a host of its own for this, which a release names."""
    for release in asked.hub.releases:
        if release["id"] == asked.number("release_id"):
            name = asked.query["name"]
            if any(each["name"] == name for each in release["assets"]):
                raise Refused(422, "Validation Failed", "already_exists")
            number = sum(len(each["assets"]) for each in asked.hub.releases) + 1
            asset = {"id": number, "name": name, "size": len(asked.raw), "state": "uploaded"}
            release["assets"].append(asset)
            asked.hub.assets[number] = asked.raw
            return asset
    raise Refused(404, "Not Found")


@route(f"DELETE {RELEASES}/assets/{{asset_id}}", "contents:write", 204)
def delete_asset(asked: Asked) -> None:
    for release in asked.hub.releases:
        for asset in release["assets"]:
            if asset["id"] == asked.number("asset_id"):
                release["assets"].remove(asset)
                return
    raise Refused(404, "Not Found")
