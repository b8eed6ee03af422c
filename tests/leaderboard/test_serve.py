"""The server shows one site to this machine, with safe headers, and nothing beside it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.errors import EnvironmentFault, UsageError
from leaderboard.serve import HEADERS, server


@pytest.fixture
def port(rich: Path) -> Iterator[int]:
    listening = server(rich / "site", 0)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield listening.server_address[1]
    listening.shutdown()
    thread.join()
    listening.server_close()


def asked(port: int, path: str, host: str = "") -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a GET."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    found = (answer.status, dict(answer.getheaders()), answer.read())
    connection.close()
    return found


def test_pages_come_with_safe_headers(port: int, rich: Path) -> None:
    status, headers, body = asked(port, "/index.html")
    assert (status, body) == (200, (rich / "site" / "index.html").read_bytes())
    assert {name: headers[name] for name in HEADERS} == HEADERS
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert asked(port, "/")[2] == body
    assert asked(port, "/feed.xml")[1]["Content-type"] == "application/atom+xml"


@pytest.mark.parametrize(
    "path", ["/entry/", "/../store/results.parquet", "/%2e%2e/store/results.parquet", "/gone.html"]
)
def test_what_is_no_page_is_404(port: int, path: str) -> None:
    status, _, body = asked(port, path)
    assert status == 404
    assert b"PAR1" not in body


def test_a_missing_page_gets_the_sites_own_words(port: int) -> None:
    assert b"There is no such page" in asked(port, "/gone.html")[2]


def test_a_foreign_name_for_this_machine_is_refused(port: int) -> None:
    assert asked(port, "/index.html", "evil.example:80")[0] == 403
    assert asked(port, "/index.html", f"localhost:{port}")[0] == 200


def test_a_link_out_of_the_site_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    site = tmp_path / "site"
    site.mkdir()
    (site / "site.json").write_text("{}")
    (site / "link.txt").symlink_to(tmp_path / "secret.txt")
    listening = server(site, 0)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    try:
        assert asked(listening.server_address[1], "/link.txt")[0] == 404
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


def test_a_folder_without_a_site_and_a_taken_port_are_said(tmp_path: Path, rich: Path, port: int) -> None:
    with pytest.raises(UsageError, match="holds no site"):
        server(tmp_path, 0)
    with pytest.raises(EnvironmentFault, match="--port"):
        server(rich / "site", port)
