"""Azure Monitor for tests: takes what its exporter sends (`POST /v2.1/track`), and keeps every byte."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "11111111-2222-4333-8444-555555555555"


class InsightsServer:
    """One component of Application Insights."""

    def __init__(self, port: int) -> None:
        self.connection_string = f"InstrumentationKey={KEY};IngestionEndpoint=http://127.0.0.1:{port}/"
        self.raw: list[bytes] = []
        """What came, with its headers."""
        self.paths: list[str] = []
        self.items: list[dict[str, Any]] = []
        self.refusing = False
        self.came = threading.Event()

    def take(self, path: str, headers: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """What it answers."""
        text = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        self.raw.append(headers.encode() + text)
        self.paths.append(path)
        items = json.loads(text)
        if self.refusing:
            return 500, {}
        self.items += items
        self.came.set()
        return 200, {"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []}

    def spans(self) -> dict[str, dict[str, Any]]:
        """By name, the last of each."""
        found = {}
        for each in self.items:
            if each["data"]["baseType"] == "RemoteDependencyData":
                data = each["data"]["baseData"]
                parent = each["tags"].get("ai.operation.parentId")
                found[data["name"]] = {**data, "trace": each["tags"]["ai.operation.id"], "parent": parent}
        return found

    def metrics(self, name: str) -> list[dict[str, Any]]:
        """Every point of this name, in the order in which they came."""
        points = [each["data"]["baseData"] for each in self.items if each["data"]["baseType"] == "MetricData"]
        return [
            {**each["metrics"][0], **each.get("properties", {})}
            for each in points
            if each["metrics"][0]["name"] == name
        ]


@contextmanager
def insights_server() -> Iterator[InsightsServer]:
    """One that listens on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, answer = found.take(self.path, str(self.headers), body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = InsightsServer(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
