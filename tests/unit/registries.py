"""PyPI behind a proxy and the npm registry for tests, with as many advisories as a test puts there."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NPM_ADVISORIES = "/-/npm/v1/security/advisories/bulk"


class Registries:
    """Both, at one port. `folder`: where the certificate is put."""

    def __init__(self, folder: Path) -> None:
        self.pypi: dict[str, list[dict[str, Any]]] = {}
        """What is known against each `name/version`; who is not here is 404."""
        self.npm: dict[str, list[dict[str, Any]]] | None = {}
        """What is known against each package; None: that is not answered, as by a mirror."""
        self.asked: list[str] = []
        self.certificate = folder / "pypi.pem"
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(_certificate(self.certificate))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def serving(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registries = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_CONNECT(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.close_connection = False  # requests says HTTP/1.0 here
                self.connection = registries._tls.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)

            def do_GET(self) -> None:
                registries.asked.append(self.path)
                known = registries.pypi.get(self.path.removeprefix("/pypi/").removesuffix("/json"))
                if known is None and self.path.startswith("/pypi/"):
                    self._answer(404, {})
                else:  # npm asks which versions there are of what is vulnerable
                    versions = {each: {"name": self.path[1:], "version": each} for each in ("1.0.0", "2.0.0")}
                    self._answer(200, {"vulnerabilities": known, "name": self.path[1:], "versions": versions})

            def do_POST(self) -> None:
                registries.asked.append(self.path)
                self.rfile.read(int(self.headers["content-length"]))
                answered = registries.npm is not None and self.path == NPM_ADVISORIES
                self._answer(200 if answered else 405, registries.npm if answered else {})

            def _answer(self, status: int, document: Any) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def finish(self) -> None:
                super().finish()
                self.connection.close()

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _certificate(file: Path) -> Path:
    """Of pypi.org, signed by itself, with its key."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pypi.org")]),
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("pypi.org")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, bare = serialization.Encoding.PEM, serialization.NoEncryption()
    file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, bare) + made.public_bytes(pem))
    return file
