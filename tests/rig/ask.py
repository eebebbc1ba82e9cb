"""What the stand-ins ask of the server: a token of an app, of identity, an attestation."""

import json
import os
import sys
import urllib.request
from typing import Any

SERVER = os.environ["GITHUB_SERVER_URL"]
API = os.environ["GITHUB_API_URL"]


def ask(address: str, token: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data)
    request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer))


def app_token() -> None:
    """The private key where the action shows what it signed with the key."""
    token = ask(f"{API}/app/installations/1/access_tokens", os.environ["KEY"], {})["token"]
    print(f"::add-mask::{token}")
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as output:
        output.write(f"token={token}\n")


def attest() -> None:
    """An identity, and the attestation of a subject."""
    identity()
    bundle = {"dsseEnvelope": {"subject": os.environ["SUBJECT"]}}
    repository = os.environ["GITHUB_REPOSITORY"]
    ask(f"{API}/repos/{repository}/attestations", os.environ["TOKEN"], {"bundle": bundle})


def login() -> None:
    """A cloud's login by the identity of the job."""
    print(f"{os.environ['CLOUD']}: {os.environ['ROLE']} as {identity()}")


def identity() -> str:
    token = ask(f"{SERVER}/identity", os.environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"])
    return str(token["value"])


if __name__ == "__main__":
    {"app-token": app_token, "attest": attest, "login": login}[sys.argv[1]]()
