"""Requests are judged as the vendor's page says: every range at its edges, every error code."""

from __future__ import annotations

from typing import Any

import pytest

URL = ["https://pictures.example/a.jpg"]


@pytest.mark.parametrize(
    ("code", "params"),
    [
        ("003003001", {"prompt": ...}),
        ("003003001", {"prompt": ""}),
        ("003003001", {"prompt": " \n"}),
        ("003003002", {"prompt": "x" * 801}),
        ("003003002", {"prompt": 7}),
        ("003003003", {"image_urls": ...}),
        ("003003003", {"image_urls": []}),
        ("003003003", {"binary_data_base64": []}),
        ("003003004", {"image_urls": URL * 2}),
        ("003003004", {"binary_data_base64": ["QUJD", "QUJD"]}),
        ("003003005", {"seed": -2}),
        ("003003005", {"seed": 1.5}),
        ("003003005", {"seed": "7"}),
        ("003003005", {"seed": True}),
        ("003003006", {"scale": -0.01}),
        ("003003006", {"scale": 1.01}),
        ("003003006", {"scale": "0.5"}),
        ("003003006", {"scale": None}),
        ("003003007", {"width": 511, "height": 1024}),
        ("003003007", {"width": 1024, "height": 2017}),
        ("003003007", {"width": 1024.5, "height": 1024}),
        ("003003007", {"width": "1024", "height": 1024}),
        ("003003007", {"width": 100}),
        ("003003008", {"image_urls": URL, "binary_data_base64": ["QUJD"]}),
        ("003003009", {"image_urls": ["ftp://pictures.example/a.jpg"]}),
        ("003003009", {"image_urls": "https://pictures.example/a.jpg"}),
        ("003003009", {"image_urls": [7]}),
        ("003003009", {"binary_data_base64": ["data:image/jpeg;base64,QUJD"]}),
        ("003003009", {"binary_data_base64": ["QUJ$RA=="]}),
        ("003003009", {"binary_data_base64": ["QUJDREVGRw=="]}),
    ],
)
def test_wrong_request(api: Any, code: str, params: dict[str, Any]) -> None:
    """A wrong request is refused with its code; nothing is accepted and nothing billed."""
    before = len(api.ledger.accepted()), api.ledger.billed(), len(api.ledger.refused())
    answer = api.create(**params)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == int(code)
    assert answer.json()["error"]["message"]
    assert (len(api.ledger.accepted()), api.ledger.billed()) == before[:2]
    assert len(api.ledger.refused()) == before[2] + 1
    assert api.ledger.refused()[-1].code == code


@pytest.mark.parametrize(
    "params",
    [
        {"prompt": "x" * 800},
        {"scale": 0},
        {"scale": 1},
        {"seed": -1},
        {"seed": 0},
        {"seed": 2**40},
        {"width": 512, "height": 2016},
        {"width": 2016, "height": 512},
    ],
)
def test_edges_are_taken(api: Any, params: dict[str, Any]) -> None:
    """The last value within a range is taken."""
    assert api.create(**params).status_code == 200


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({}, (1328, 1328)),
        ({"width": 600}, (1328, 1328)),
        ({"height": 2016}, (1328, 1328)),
        ({"width": 1024, "height": 768}, (1024, 768)),
        ({"width": 1664, "height": 936}, (1536, 944)),
        ({"width": 2016, "height": 864}, (1536, 864)),
        ({"width": 513, "height": 1000}, (512, 1008)),
    ],
)
def test_output_size(api: Any, asked: dict[str, int], given: tuple[int, int]) -> None:
    """A result has the size that was asked, rounded and clamped; one side alone counts nothing."""
    task = api.ledger.find(api.made(**asked))
    assert (task.width, task.height) == given


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_picture_at_the_limits(api: Any, photo: Any, encoded: Any, form: str) -> None:
    """The largest side and the longest proportions are taken."""
    for size in ((4096, 1366), (300, 100), (100, 300)):
        data = photo(size, form)
        assert api.create(binary_data_base64=encoded(data)).status_code == 200


def test_picture_beyond_the_limits(api: Any, photo: Any, encoded: Any) -> None:
    """A side, a ratio or a format beyond the limits is an invalid image array."""
    wrong = [
        photo((4097, 2000)),
        photo((2000, 4097), "PNG"),
        photo((301, 100)),
        photo((640, 480), "WEBP"),
        photo((640, 480), "GIF"),
        photo()[:-200],
        b"no picture at all",
    ]
    for data in wrong:
        answer = api.create(binary_data_base64=encoded(data))
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, 3003009)


def test_picture_bytes(api: Any, photo: Any, encoded: Any) -> None:
    """4 928 307 bytes are taken, one more is not."""
    most = photo().ljust(4_928_307, b"\0")
    assert api.create(binary_data_base64=encoded(most)).status_code == 200
    answer = api.create(binary_data_base64=encoded(most + b"\0"))
    assert answer.json()["error"]["code"] == 3003009
    assert len(answer.content) < 1000


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"model": "spark_i2i_3_0"},
        {"model": "spark_i2i_3_0", "input": []},
        {"model": "spark_i2i_3_0", "input": [{}]},
        {"model": "spark_i2i_3_0", "input": [{"params": []}]},
        {"model": "spark_i2i_3_0", "input": [{"params": {}}, {"params": {}}]},
        {"input": [{"params": {"prompt": "x", "image_urls": URL}}]},
    ],
)
def test_wrong_envelope(api: Any, body: Any) -> None:
    """What is no request for this model is refused, and no task is made."""
    before = len(api.ledger.accepted())
    answer = api.post(body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 400
    assert len(api.ledger.accepted()) == before


@pytest.mark.usefixtures("without_collections")
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"a": NaN}', b"\xff\xfe", b"[" * 200_000, b"9" * 5_000, b'{"a": Infinity}'],
)
def test_no_json(api: Any, body: bytes) -> None:
    """A body that is no JSON is refused, however it is broken."""
    answer = api.session.post(
        f"{api.url}/model/v1/generation", data=body, headers=api.headers, timeout=20
    )
    assert answer.status_code == 400


def test_half_a_character(api: Any) -> None:
    """A text that is no Unicode is refused: nothing could write it down."""
    for params in ({"prompt": "\ud800"}, {"image_urls": ["https://a.example/\udc00"]}):
        assert api.create(**params).json()["error"]["code"] == 400


def test_body_too_large(api: Any) -> None:
    """A body of more than 20 MiB is refused."""
    answer = api.create(prompt="x" * (20 * 1024 * 1024 + 1))
    assert answer.status_code == 413


def test_model_in_header(api: Any) -> None:
    """The model may stand in X-Model instead of the body."""
    body = {"input": [{"params": {"prompt": "x", "image_urls": URL}}]}
    taken = api.post(body, headers={**api.headers, "X-Model": "spark_i2i_3_0"})
    assert taken.json()["model"] == "spark_i2i_3_0"
    assert api.post(body, headers={**api.headers, "X-Model": "other"}).status_code == 404


@pytest.mark.parametrize("name", ["another", "", 7, None, "\ud800", "x" * 10_000])
@pytest.mark.parametrize("path", ["", "/precharge"])
def test_an_unknown_model_is_not_found_and_named(api: Any, name: Any, path: str) -> None:
    """Create and precharge answer 404 with the model's name, shortened and as ASCII."""
    before = len(api.ledger.accepted())
    body = {"model": name, "input": [{"params": {"prompt": "x", "image_urls": URL}}]}
    answer = api.post(body, path=f"/model/v1/generation{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, 404)
    assert ascii(name)[:50] in answer.json()["error"]["message"]
    assert len(answer.content) < 300
    assert len(api.ledger.accepted()) == before


def test_fingerprint(api: Any, photo: Any, encoded: Any) -> None:
    """A fingerprint names the request as asked: the same again for the same, another otherwise."""
    image = encoded(photo())

    def fingerprint(**params: Any) -> str:
        found: str = api.ledger.find(api.made(binary_data_base64=image, **params)).fingerprint
        return found

    assert fingerprint() == fingerprint(scale=0.5, seed=-1)
    different = [{}, {"seed": 1}, {"scale": 0.6}, {"prompt": "x"}, {"width": 512, "height": 512}]
    assert len({fingerprint(**params) for params in different}) == len(different)
