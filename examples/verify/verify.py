"""Verifies access tokens in Python, with PyJWT 2.10 or later (pip install pyjwt[crypto])."""
import os

import jwt

ISSUER = os.environ["DOORWARD_URL"]  # public_url
KEYS = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json", lifespan=300)


def verify(token):
    """The claims of a valid token; raises jwt.PyJWTError for any other."""
    key = KEYS.get_signing_key_from_jwt(token)
    options = {"require": ["iss", "aud", "exp", "sub"]}
    checks = {"issuer": ISSUER, "audience": "doorward", "options": options}  # tokens.audience
    # The key is for one algorithm, and no other is accepted with it.
    data = jwt.decode_complete(token, key, algorithms=[key.algorithm_name], **checks)
    if data["header"].get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("not an access token")
    return data["payload"]
