"""Gives each line of standard input to the verifier of examples/verify: `ok SUBJECT` or `refused`."""
import sys

import jwt
from verify import verify

for line in sys.stdin:
    try:
        print("ok", verify(line.rstrip("\n"))["sub"], flush=True)
    except jwt.PyJWTError as error:
        print("refused", str(error).replace("\n", " "), flush=True)
