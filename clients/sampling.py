"""Which predictions a sample holds: decided by the prediction's identity alone, so that the label of a
sampled prediction is sampled too, in whichever process it is logged.
"""

from hashlib import blake2b


def is_sampled(identity: bytes, sample_rate: float) -> bool:
    """Whether a 16-byte identity lies within the sample.

    The identity is hashed once more, for the first bytes of a UUIDv7 are a time and not uniform.

    >>> sum(is_sampled(i.to_bytes(16, "big"), 0.1) for i in range(10_000))
    969
    """
    digest = blake2b(identity, digest_size=8, person=b"sg-sampling").digest()
    return int.from_bytes(digest, "big") < sample_rate * 2**64
