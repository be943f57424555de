"""A certificate authority of a test's own, and what it signs: for the broker, and for clients by name."""

import subprocess
from pathlib import Path


class Certificates:
    """Made in `directory` with openssl; `key_password` locks the clients' keys."""

    def __init__(self, directory: Path, key_password: str) -> None:
        self._directory = directory
        self._password = key_password
        self.ca = directory / "ca.pem"
        self._openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test authority",
            "-keyout", "ca.key", "-out", "ca.pem", "-addext", "basicConstraints=critical,CA:TRUE",
        )  # fmt: skip

    def client(self, name: str) -> tuple[Path, Path]:
        """Certificate and locked key of the principal ``CN=<name>``."""
        self._sign(name, "DNS:client")
        locked = f"{name}.locked.key"
        self._openssl(
            "pkcs8", "-topk8", "-in", f"{name}.key", "-out", locked, "-passout", f"pass:{self._password}"
        )
        return self._directory / f"{name}.pem", self._directory / locked

    def server(self, name: str) -> Path:
        """Key and certificate, in one file, of a server at 127.0.0.1."""
        self._sign(name, "IP:127.0.0.1")
        store = self._directory / f"{name}.store.pem"
        store.write_text(
            (self._directory / f"{name}.key").read_text() + (self._directory / f"{name}.pem").read_text()
        )
        return store

    def broker_properties(self) -> dict[str, object]:
        """Of a broker at 127.0.0.1 whose TLS listener asks for a certificate; its name is the principal."""
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.server("broker"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.ca,
            "listener.name.ssl.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": "RULE:^CN=(.*)$/$1/,DEFAULT",
        }

    def _sign(self, name: str, alternative: str) -> None:
        self._openssl(
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.csr",
        )  # fmt: skip
        (self._directory / f"{name}.ext").write_text(f"subjectAltName={alternative}\n")
        self._openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-out", f"{name}.pem", "-extfile", f"{name}.ext",
        )  # fmt: skip

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self._directory, check=True, capture_output=True)
