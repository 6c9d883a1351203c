"""Ed25519 (RFC 8032, section 5.1): whether a signature is right, with the standard library alone.

Nothing secret is worked with, so that nothing is told by the time it takes.
"""

from __future__ import annotations

import hashlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Tuple

    # Extended homogeneous coordinates: x = X/Z, y = Y/Z, x*y = T/Z.
    Point = Tuple[int, int, int, int]

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1, 1, 0)


def verifies(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature of 64 bytes is that of the owner of a public key of 32 bytes under a message."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, commitment = decoded(public), decoded(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or scalar >= ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    # [s]B = R + [k]A, so [s]B + [k](-A) is R; one walk for both.
    x, y, z, t = key
    return same(combined(scalar, BASE, challenge, (P - x, y, z, P - t)), commitment)


def decoded(data: bytes) -> Optional[Point]:
    """Return the point of 32 bytes; None: there is none, or they are not its only form."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def added(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def combined(first: int, one: Point, second: int, other: Point) -> Point:
    """Return first * one + second * other."""
    sums: List[Point] = [NEUTRAL, one, other, added(one, other)]
    found: Point = NEUTRAL
    for position in range(max(first.bit_length(), second.bit_length()) - 1, -1, -1):
        found = added(found, found)
        found = added(found, sums[(first >> position & 1) | (second >> position & 1) << 1])
    return found


def same(one: Point, other: Point) -> bool:
    return not ((one[0] * other[2] - other[0] * one[2]) % P or (one[1] * other[2] - other[1] * one[2]) % P)


_BASE = decoded((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
assert _BASE is not None
BASE = _BASE
