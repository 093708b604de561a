"""Fetching a model: over HTTPS, with its checksum, within a size, or not at all."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ocr_retrain.downloads import download, file_name
from ocr_retrain.errors import UserError

CONTENT = b"weights" * 400_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """A server with HTTPS on loopback; ``trust`` knows its certificate."""

    url: str
    trust: ssl.SSLContext
    requests: list[str] = field(default_factory=list)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return public, private


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    public, private = make_certificate(tmp_path_factory.mktemp("certificate"))
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            if self.path.startswith("/moved-to/"):
                self.send_response(302)
                self.send_header("Location", self.path.removeprefix("/moved-to/"))
                self.end_headers()
                return
            if self.path == "/absent.tar":
                self.send_error(404)
                return
            self.send_response(200)
            if self.path != "/unknown-size.tar":
                length = len(CONTENT) + (100 if self.path == "/cut-off.tar" else 0)
                self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    trust = ssl.create_default_context(cafile=str(public))
    yield Site(f"https://127.0.0.1:{server.server_port}", trust, requests)
    server.shutdown()
    server.server_close()


def fetch(site: Site, path: str, folder: Path, sha256: str = SHA256, **options: int) -> Path:
    return download(f"{site.url}/{path}", sha256, folder, context=site.trust, **options)


def leftovers(folder: Path) -> list[str]:
    return [each.name for each in folder.rglob("*") if each.is_file()]


def test_a_file_is_fetched_once_and_told_as_it_comes(site: Site, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    url = f"{site.url}/ch_PP-OCRv4_rec_train.tar"
    path = download(
        url, SHA256.upper(), tmp_path, lambda done, total: told.append((done, total)), site.trust
    )
    assert path.read_bytes() == CONTENT
    assert path.name == "ch_PP-OCRv4_rec_train.tar"
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert len(told) > 1

    asked = len(site.requests)
    assert fetch(site, "ch_PP-OCRv4_rec_train.tar", tmp_path) == path
    assert len(site.requests) == asked


def test_another_file_than_the_one_that_was_meant_is_deleted(site: Site, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"has the SHA-256 {SHA256}, not 0000"):
        fetch(site, "model.tar", tmp_path, "0" * 64)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("sha256", [None, "", "abc", "g" * 64])
def test_without_a_checksum_nothing_is_asked_for(
    site: Site, tmp_path: Path, sha256: str | None
) -> None:
    asked = len(site.requests)
    with pytest.raises(UserError, match="needs --sha256"):
        download(f"{site.url}/model.tar", sha256, tmp_path, context=site.trust)
    assert len(site.requests) == asked


@pytest.mark.parametrize("url", ["http://example.com/model.tar", "file:///etc/passwd", "ftp://a/b"])
def test_nothing_but_https_is_fetched(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match="is no https address"):
        download(url, SHA256, tmp_path)


def test_a_redirect_is_followed_to_https_only(site: Site, tmp_path: Path) -> None:
    assert fetch(site, f"moved-to/{site.url}/m.tar", tmp_path / "a").read_bytes() == CONTENT
    plain = site.url.replace("https:", "http:")
    with pytest.raises(UserError, match="leads to http:"):
        fetch(site, f"moved-to/{plain}/m.tar", tmp_path / "b")
    assert leftovers(tmp_path / "b") == []


@pytest.mark.parametrize("path", ["model.tar", "unknown-size.tar"])
def test_a_file_that_is_too_large_is_given_up(site: Site, tmp_path: Path, path: str) -> None:
    with pytest.raises(UserError, match=r"larger than 1\.0 MB"):
        fetch(site, path, tmp_path, most_bytes=1_000_000)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "why"), [("absent.tar", "answered 404"), ("cut-off.tar", "2.8 MB")]
)
def test_what_went_wrong_is_told(site: Site, tmp_path: Path, path: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        fetch(site, path, tmp_path)
    assert leftovers(tmp_path) == []


def test_a_server_that_nobody_vouches_for_is_not_believed(site: Site, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="certificate"):
        download(f"{site.url}/model.tar", SHA256, tmp_path)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a/b/model.tar?x=1", "model.tar"),
        ("https://a/%2e%2e%2fevil.tar", "evil.tar"),
        ("https://a/", "download"),
        ("https://a/m%20x.zip", "m_x.zip"),
    ],
)
def test_names_of_files_are_harmless(url: str, name: str) -> None:
    assert file_name(url) == name
