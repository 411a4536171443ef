"""A lossy WebP's own word on how strongly it was compressed (RFC 6386, sections 9.2 to 9.6)."""

from __future__ import annotations

FRAME = b"VP8 "
PLAIN = 10  # bytes of a key frame that are not arithmetic-coded
START = b"\x9d\x01\x2a"
MOST = 4096  # bytes from the frame's start that hold what is read here


def quality(data: bytes) -> int | None:
    """libwebp's quality, about: by the mean step over the segments. None for a lossless or broken file."""
    at = data.find(FRAME, 12)
    frame = data[at + 8 : at + 8 + MOST]
    if at < 0 or len(frame) <= PLAIN or frame[3:6] != START:
        return None
    steps = _steps(_Bits(frame[PLAIN:]))
    # libwebp's src/enc/quant_enc.c, QualityToCompression, the other way round.
    share = (1.0 - min(127.0, sum(steps) / len(steps)) / 127.0) ** 3
    return max(1, round(100 * (1.5 * share if share < 0.5 else (share + 1.0) / 2)))


def _steps(bits: _Bits) -> list[int]:
    """The quantiser's index, 0 to 127, of each segment."""
    bits.number(2)  # colour space, clamping
    absolute, own = False, [0]
    if bits.number(1):
        absolute, own = _segments(bits)
    _skip_filter(bits)
    bits.number(2)  # partitions
    base = bits.number(7)
    return own if absolute else [min(127, max(0, base + each)) for each in own]


def _segments(bits: _Bits) -> tuple[bool, list[int]]:
    """(whether they stand by themselves, their values), after the header's flag that there are some."""
    mapped, given = bits.number(1), bits.number(1)
    absolute, values = False, [0]
    if given:
        absolute = bool(bits.number(1))
        values = [bits.signed(7) for _ in range(4)]
        for _ in range(4):
            bits.signed(6)
    for _ in range(3 * mapped):
        if bits.number(1):
            bits.number(8)
    return absolute, values


def _skip_filter(bits: _Bits) -> None:
    bits.number(1 + 6 + 3)
    if bits.number(1) and bits.number(1):
        for _ in range(8):
            bits.signed(6)


class _Bits:
    """The boolean decoder at even odds (section 7.3); zeros after the end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._next = data, 2
        self._value = int.from_bytes(data[:2].ljust(2, b"\0"), "big")
        self._range, self._count = 255, 0

    def number(self, bits: int) -> int:
        value = 0
        for _ in range(bits):
            value = 2 * value + self._bit()
        return value

    def signed(self, bits: int) -> int:
        """An optional magnitude with its sign; 0 where it is left out."""
        if not self._bit():
            return 0
        size = self.number(bits)
        return -size if self._bit() else size

    def _bit(self) -> int:
        split = 1 + (((self._range - 1) * 128) >> 8)
        bit = int(self._value >= split << 8)
        if bit:
            self._value -= split << 8
        self._range = self._range - split if bit else split
        while self._range < 128:
            self._value, self._range = self._value << 1, self._range << 1
            self._count += 1
            if self._count == 8:
                self._count = 0
                self._value |= self._data[self._next] if self._next < len(self._data) else 0
                self._next += 1
        return bit
