"""The connection to Triton: what it is told about coming back. The rest is tested with a real server."""

import pytest

from llmos.runtime import model_server
from llmos.runtime.model_server import TritonServer


async def test_a_server_that_was_away_is_tried_again_every_two_seconds_at_most(monkeypatch: pytest.MonkeyPatch):
    """gRPC's own waiting grows to two minutes; the options are looked at, because waiting for it would take as long."""
    seen: dict[str, int] = {}

    class Client:
        def __init__(self, _address: str, *, channel_args: list[tuple[str, int]]) -> None:
            seen.update(channel_args)

        async def close(self) -> None:
            pass

    monkeypatch.setattr(model_server.grpc_aio, "InferenceServerClient", Client)
    await TritonServer().aclose()
    assert seen["grpc.initial_reconnect_backoff_ms"] <= seen["grpc.max_reconnect_backoff_ms"] <= 2000
    assert seen["grpc.max_receive_message_length"] == seen["grpc.max_send_message_length"] > 4 << 20, "as large as the client's own"
