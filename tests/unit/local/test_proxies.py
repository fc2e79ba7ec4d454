"""What is reached without the organisation's proxy."""

from __future__ import annotations

import pytest

from llmos.local.proxies import CLUSTER_NAMES, LOCAL_CLUSTER, without_proxy

DIRECT = "127.0.0.1,localhost,.svc,.cluster.local,10.244.0.1,10.244.0.0/24,10.96.0.0/16"
PROXY = {"HTTPS_PROXY": "http://proxy:3128"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"PATH": "/bin"}, None),
        ({"NO_PROXY": "a"}, "a"),
        (PROXY, DIRECT),
        ({"http_proxy": "http://proxy:3128"}, DIRECT),
        ({"ALL_PROXY": "socks5://proxy:1080"}, DIRECT),
        ({**PROXY, "NO_PROXY": "intranet.example"}, f"intranet.example,{DIRECT}"),
        ({**PROXY, "no_proxy": "intranet.example, localhost"}, f"intranet.example,localhost,{DIRECT.replace('localhost,', '')}"),
    ],
    ids=["no proxy", "no proxy, and a list", "none exempt", "lower case", "socks", "the user's own", "the user's own, lower case"],
)
def test_behind_a_proxy_the_cluster_is_exempt_beside_what_the_user_says(environment: dict[str, str], expected: str | None) -> None:
    found = without_proxy(environment)
    assert found.get("NO_PROXY") == expected
    assert {name: value for name, value in found.items() if name.lower() != "no_proxy"} == {
        name: value for name, value in environment.items() if name.lower() != "no_proxy"
    }
    assert without_proxy(found) == found, "twice changes nothing"


def test_both_spellings_say_the_same() -> None:
    found = without_proxy(PROXY, CLUSTER_NAMES)
    assert found["NO_PROXY"] == found["no_proxy"] == ",".join(CLUSTER_NAMES)
    assert set(CLUSTER_NAMES) < set(LOCAL_CLUSTER)
