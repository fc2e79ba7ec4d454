"""Where the local cluster keeps things."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmos.errors import ConfigError
from llmos.local.settings import LocalSettings


def test_without_variables_the_defaults_of_the_file_system_hierarchy_are_used() -> None:
    settings = LocalSettings.from_environment({})
    assert (settings.state, settings.cache, settings.run) == (Path("/var/lib/llmos"), Path("/var/cache/llmos"), Path("/run/llmos"))


def test_two_state_folders_share_no_run_folder_and_no_control_group() -> None:
    one, two = (LocalSettings.from_environment({"LLMOS_STATE": path}) for path in ("/srv/one", "/srv/two"))
    assert one.run != two.run
    assert one.instance != two.instance


@pytest.mark.parametrize("value", ["state", "./state", "/"])
def test_a_folder_that_is_not_absolute_or_is_the_root_is_refused_by_name(value: str) -> None:
    with pytest.raises(ConfigError, match="LLMOS_STATE must be an absolute folder"):
        LocalSettings.from_environment({"LLMOS_STATE": value})


def test_the_socket_of_a_deep_state_folder_still_fits_into_a_socket_address() -> None:
    settings = LocalSettings(state=Path("/" + "deep/" * 60))
    assert len(str(settings.containerd_socket)) < 108
