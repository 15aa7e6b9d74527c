"""A made-up service account, with which Google's clients sign in on the loopback."""

import json
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def service_account(file: Path, token_uri: str) -> Path:
    """Write the account's key file; clients request tokens from `token_uri`."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    account = {
        "type": "service_account",
        "project_id": "a-project",
        "private_key_id": "one",
        "private_key": key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain).decode(),
        "client_email": "tests@a-project.iam.gserviceaccount.com",
        "token_uri": token_uri,
    }
    file.write_text(json.dumps(account))
    return file
