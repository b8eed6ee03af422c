"""Serves a built site on this machine alone, with the headers that a careful host would send."""

from __future__ import annotations

import functools
import http.server
import socket
from pathlib import Path
from typing import Any

from benchmark.errors import EnvironmentFault, UsageError
from leaderboard.files import MANIFEST

__all__ = ["HEADERS", "server"]

HOST = "127.0.0.1"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
HEADERS = {
    "Content-Security-Policy": f"{POLICY}form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
TYPES = {".xml": "application/atom+xml", ".js": "text/javascript", ".parquet": "application/octet-stream"}


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files of one folder, and nothing else: no listing, no link that leads out of it, no host but this one."""

    extensions_map = {  # noqa: RUF012 (declared so by its base)
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        **TYPES,
        "": "text/plain",
    }
    server_version = "DistillBench"
    sys_version = ""

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def send_head(self) -> Any:
        host = self.headers.get("Host", "").rpartition(":")[0]
        if host not in (HOST, "localhost"):  # a foreign name that resolves to this machine
            self.send_error(403)
            return None
        root, wanted = Path(self.directory).resolve(), Path(self.translate_path(self.path)).resolve()
        if not wanted.is_relative_to(root) or (wanted.is_dir() and wanted != root):
            self.send_error(404)
            return None
        return super().send_head()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The site's own page where a file is missing."""
        page = Path(self.directory) / "404.html"
        if code != 404 or not page.is_file() or self.path.count("/") > 1:  # its links are relative to the top
            super().send_error(code, message, explain)
            return
        body = page.read_bytes()
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: whoever reads the site knows what they opened."""


def server(site: Path, port: int) -> http.server.ThreadingHTTPServer:
    """A server of a site on this machine; port 0 takes a free one. The caller runs `serve_forever`.

    Raises UsageError where the folder holds no site, EnvironmentFault where the port is taken.
    """
    if not (site / MANIFEST).is_file():
        raise UsageError(f"{site} holds no site. Run `distillbench leaderboard --out {site}` first.")
    handler = functools.partial(_Handler, directory=str(site.resolve()))
    try:
        return http.server.ThreadingHTTPServer((HOST, port), handler)
    except (OSError, OverflowError, socket.gaierror) as fault:
        raise EnvironmentFault(f"cannot listen on port {port} ({fault}). Fix: name another with --port.") from fault
