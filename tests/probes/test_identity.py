from resumatch_monitor.probes.identity import find_duplicate_ids, make_probe_id


def test_ids_are_fit_for_addresses() -> None:
    assert make_probe_id("Backend Health v1.2") == "backend-health-v1-2"


def test_finds_names_that_would_share_an_address() -> None:
    assert find_duplicate_ids(["Web", "api", "web.", "WEB"]) == ["web"]
