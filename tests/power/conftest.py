"""The campaign's arena and length."""

from tests.campaign.conftest import arena, length

__all__ = ["arena", "length"]
