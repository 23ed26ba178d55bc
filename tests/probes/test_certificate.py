import ssl
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.probes.certificate import read_expiry

CERTIFICATES = Path(__file__).parent / "certificates"


def load(name: str) -> bytes:
    text = (CERTIFICATES / name).read_text()
    return ssl.PEM_cert_to_DER_cert(text[: text.index("-----END CERTIFICATE-----") + 25] + "\n")


def test_reads_both_forms_of_dates() -> None:
    assert read_expiry(load("expired.pem")) == datetime(2024, 2, 29, 12, tzinfo=UTC)
    assert read_expiry(load("good.pem")) == datetime(2120, 1, 1, tzinfo=UTC)


@given(st.binary(max_size=200))
def test_anything_else_is_no_certificate(data: bytes) -> None:
    assert read_expiry(data) is None


@given(cut=st.integers(0, 300), flip=st.integers(0, 300))
def test_a_damaged_certificate_does_not_crash(cut: int, flip: int) -> None:
    data = bytearray(load("good.pem"))
    data[flip] ^= 0xFF

    read_expiry(bytes(data[: len(data) - cut]))
