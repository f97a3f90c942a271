"""What the store says of a server that it cannot use; the rest needs a real one, see tests/integration/test_store.py."""

import pytest

from graph.errors import StoreError
from graph.store import check_version


@pytest.mark.parametrize("version", ["5.26.0", "5.26.11", "2025.01.0", "2026.08.1", "6.0"])
def test_a_server_with_what_we_use_is_taken(version: str) -> None:
    check_version("bolt://127.0.0.1:7687", version)


@pytest.mark.parametrize("version", ["5.9.0", "5.25.1", "4.4.30", "", "aura"])
def test_an_older_or_unknown_server_is_refused_by_its_version(version: str) -> None:
    with pytest.raises(StoreError, match=r"5\.26 or newer; got " + version):
        check_version("bolt://127.0.0.1:7687", version)
