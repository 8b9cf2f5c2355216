"""Passwords: Argon2id hashes (RFC 9106), made and checked in two threads of their own, off the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

from engine.base.errors import Fault, Refused
from engine.base.limits import PASSWORD_MAX, PASSWORD_MIN

_HASHER = PasswordHash((Argon2Hasher(),))
# One check takes 64 MiB: the width of this pool bounds what a flood of log-ins can take.
_THREADS = ThreadPoolExecutor(2, thread_name_prefix="passwords")


async def hash_password(password: str) -> str:
    """The hash to store. Raises Refused "user.password" for one that is too short or too long."""
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        detail = f"a password has {PASSWORD_MIN} to {PASSWORD_MAX} characters"
        raise Refused("user.password", detail, faults=[Fault("user.password", detail, "/password")])
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _HASHER.hash, password)


async def verify(password: str, stored: str | None) -> bool:
    """Whether the password fits. With `stored` None the same work is done for nothing, and the answer is no."""
    if len(password) > PASSWORD_MAX:
        password, stored = "", None
    fits = await asyncio.get_running_loop().run_in_executor(_THREADS, _verify, password, stored)
    return fits and stored is not None


def _verify(password: str, stored: str | None) -> bool:
    try:
        return _HASHER.verify(password, stored or _nobody())
    except UnknownHashError:
        return False


@cache
def _nobody() -> str:
    return _HASHER.hash("the password of an account that does not exist")
