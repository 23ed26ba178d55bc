import pytest

from resumatch_monitor.sentry.addresses import anonymise_address


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.77", "203.0.113.0"),
        (" 203.0.113.77 ", "203.0.113.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("", ""),
        ("testclient", ""),
        ("203.0.113.77:8000", ""),
    ],
)
def test_an_address_becomes_that_of_many(address: str, expected: str) -> None:
    assert anonymise_address(address) == expected
