"""Certificates that openssl makes."""

import subprocess
from pathlib import Path


def make_certificate(folder: Path, name: str = "localhost") -> dict[str, str]:
    """Make a certificate and its key; return their paths by the configuration's names."""
    paths = {"cert_file": str(folder / "cert.pem"), "key_file": str(folder / "key.pem")}
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
         "-out", paths["cert_file"], "-keyout", paths["key_file"]],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip
    return paths
