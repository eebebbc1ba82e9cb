"""A certificate authority of the test's own, and the environment that makes tools trust it."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

import trustme

NAMES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")


class Trust:
    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        folder.mkdir()
        authority = trustme.CA()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self.context)
        self.client = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
        bundle = folder / "certificates.pem"
        own = authority.cert_pem.bytes()
        bundle.write_bytes(own + machine(environment))  # a job also downloads packages
        self.environment = {name: str(bundle) for name in (*NAMES, "NODE_EXTRA_CA_CERTS")}


def machine(environment: Mapping[str, str]) -> bytes:
    """The certificates that are trusted already."""
    given = [environment[name] for name in NAMES if environment.get(name)]
    known = ssl.get_default_verify_paths()
    candidates = [*given, known.cafile, known.openssl_cafile]
    return next(
        (Path(path).read_bytes() for path in candidates if path and os.path.isfile(path)), b""
    )
