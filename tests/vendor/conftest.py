"""The documented pairs are served by the bare server of the client's tests."""

from tests.client.conftest import connect, serve

__all__ = ["connect", "serve"]
