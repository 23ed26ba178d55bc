"""The form that nearly every `Sample` of remote write has, read many at a time."""

import numpy as np
import numpy.typing as npt

from resumatch_monitor.metrics.samples import BoolArray, FloatArray, TimeArray

SAMPLE_SIZE = 18
"""`12 10 09 <double> 10 <varint of six bytes>`: a value, and a time between 1971 and 2109."""
ZERO_SIZE = 9
"""`12 07 10 <varint of six bytes>`: the same with the value 0, which is left out."""
ZERO_MARK = 0x07
"""In a sample of zero the eighth byte from the end; in another the double's last, where it stands
for values around 1e-270 alone."""

_SAMPLE_TAG = 0x12
_OFFSETS = np.arange(-SAMPLE_SIZE, 0)
_WEIGHTS = np.array([1 << (7 * place) for place in range(6)], dtype=np.int64)


def read_samples_before(
    data: bytes, stops: npt.NDArray[np.int64]
) -> tuple[TimeArray, FloatArray, BoolArray]:
    """Read the samples that end at `stops`.

    Args:
        data: A message.
        stops: (N,) at least `SAMPLE_SIZE` each.

    Returns:
        (N,) times in milliseconds; (N,) values, bit for bit; (N,) whether there is a sample in the
        one form or the other, for without it time and value mean nothing.
    """
    tails: npt.NDArray[np.uint8] = np.frombuffer(data, dtype=np.uint8)[stops[:, None] + _OFFSETS]
    is_zero = tails[:, 10] == ZERO_MARK
    begins_so = (tails[:, 0] == 0x12) & (tails[:, 1] == 0x10) & (tails[:, 2] == 0x09)
    begins = (is_zero & (tails[:, 9] == 0x12)) | (~is_zero & begins_so)
    digits = tails[:, 12:]
    continues = digits >= 0x80
    is_sample = begins & (tails[:, 11] == 0x10) & continues[:, :5].all(axis=1) & ~continues[:, 5]
    times = (digits & 0x7F).astype(np.int64) @ _WEIGHTS
    bits = np.ascontiguousarray(tails[:, 3:11]).view("<u8").ravel()
    values = np.where(is_zero, np.uint64(0), bits).view(np.float64)
    return times, values, is_sample


def find_sample_stops(data: bytes, position: int, stop: int) -> list[int] | None:
    """Return where each sample in `data[position:stop]` ends, if there is nothing else in it.

    Only their lengths are looked at: `read_samples_before` tells whether they are what they seem.
    """
    stops: list[int] = []
    try:
        while position < stop:
            if data[position] != _SAMPLE_TAG:
                return None
            size = data[position + 1]
            if size == SAMPLE_SIZE - 2:
                position += SAMPLE_SIZE
            elif size == ZERO_SIZE - 2:
                position += ZERO_SIZE
            else:
                return None
            stops.append(position)
    except IndexError:
        return None
    return stops if position == stop else None
