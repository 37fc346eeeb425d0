"""Keys, base URLs and addresses that may not be used are refused, and no secret is shown."""

from __future__ import annotations

import pytest

from spark_batch.client import TaskReader, check_base_url, check_key
from spark_batch.client.address import is_public
from spark_batch.errors import UsageError
from tests.makers import MODELS


@pytest.mark.parametrize("key", ["sk-1", "  sk-1\n", "\tsk-1 "])
def test_key_is_stripped(key: str) -> None:
    """White space around a key, as a file's last line end, is not part of it."""
    assert check_key(key) == "sk-1"


@pytest.mark.parametrize("key", ["", "  ", "se\ncret", "Bearer secret", "secrét", "se\x00cret"])
def test_key_that_is_none(key: str) -> None:
    """A key that could not stand in a header is refused without being shown."""
    with pytest.raises(UsageError) as caught:
        check_key(key)
    assert "se" not in str(caught.value).replace("set", "").replace("use", "")
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_key_that_is_not_set() -> None:
    """Without the variable the message names it."""
    with pytest.raises(UsageError, match="set SPARK_API_KEY"):
        check_key("")


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://cloud.vtrix.ai", "https://cloud.vtrix.ai"),
        ("https://cloud.vtrix.ai/ ", "https://cloud.vtrix.ai"),
        ("https://gateway.example.com/spark/", "https://gateway.example.com/spark"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:8000/", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_base_url(url: str, base: str) -> None:
    """https anywhere, http on this machine."""
    assert check_base_url(url) == base


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cloud.vtrix.ai",
        "http://cloud.vtrix.ai",
        "http://192.168.0.1",
        "ftp://cloud.vtrix.ai",
        "https://",
        "https://user:hunter2@cloud.vtrix.ai",
        "https://cloud.vtrix.ai/?a=hunter2",
        "https://cloud.vtrix.ai/#a",
        "https://cloud.vtrix.ai:99999",
        "https://cloud vtrix.ai",
        "https://cloud.vtrix.ai\n.example.com",
    ],
)
def test_base_url_that_is_none(url: str) -> None:
    """Anything else is refused, and no password in it is shown."""
    with pytest.raises(UsageError) as caught:
        check_base_url(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:7f00:1::", False),
        ("2002:808:808::1", True),
        ("192.0.0.1", False),
        ("192.0.0.8", False),
        ("192.0.0.9", False),
        ("192.0.0.170", False),
        ("192.0.1.1", True),
        ("192.88.99.1", False),
        ("198.18.0.1", False),
        ("203.0.113.7", False),
        ("240.0.0.1", False),
        ("fec0::1", False),
        ("feff::1", False),
        ("::7f00:1", False),
        ("::8.8.8.8", False),
        ("::ffff:0:7f00:1", False),
        ("::ffff:0:8.8.8.8", False),
        ("64:ff9b:1::1", False),
        ("64:ff9b:1:7f00:1::", False),
        ("100::1", False),
        ("2001::1", False),
        ("2001:0:7f00:1::", False),
        ("2001:db8::1", False),
        ("2001:4860:4860::8888", True),
        ("3fff::1", False),
        ("5f00::1", False),
        ("4000::1", False),
        ("a host", False),
        ("", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    """Loopback, private, link-local and their disguises in IPv6 are not public."""
    assert is_public(address) is public


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_ca_bundle_that_is_none(name: str, tmp_path: object) -> None:
    """A bundle that is missing or holds no certificate is a wrong surrounding, told in a line."""
    empty = tmp_path / "empty.pem"  # type: ignore[operator]
    empty.write_text("nothing")
    for path in ("/no/such/file.pem", str(empty)):
        with pytest.raises(UsageError, match=name):
            TaskReader("https://api.example.com", "sk-1", environ={name: path}, models=MODELS)


def test_reader_cannot_create() -> None:
    """Rescue holds a reader: there is no way from it to a new task."""
    assert not hasattr(TaskReader, "submit")
    assert not hasattr(TaskReader, "quote")
