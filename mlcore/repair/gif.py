"""GIF (89a specification): its first frame alone, in blocks of full length."""

from __future__ import annotations

from dataclasses import dataclass

from mlcore.repair.prepared import END_MISSING, MOST_MISSING, Incomplete, Prepared, TooComplex

MOST_BLOCKS = 250_000  # 25 MiB hold 103,000 of full length
MOST_FRAMES = 1000  # more than that are not counted
EXTENSION, IMAGE, CONTROL = 0x21, 0x2C, 0xF9
CUT = f"The end of the file is missing, and with it less than {MOST_MISSING:.0%} of the picture.".replace(
    "%", " %"
)


@dataclass
class _Walk:
    data: bytes
    place: int
    blocks: int = 0

    def sub_blocks(self, keep: bool) -> tuple[bytes, bool]:
        """The content of a chain of blocks, and whether it came to its end."""
        data, out = self.data, bytearray()
        while self.place < len(data):
            length = data[self.place]
            if keep:
                out += data[self.place + 1 : self.place + 1 + length]
            self.place += 1 + length
            self.blocks += 1
            if not length:
                return bytes(out), True
            if self.blocks > MOST_BLOCKS:
                raise TooComplex(f"more than {MOST_BLOCKS:,} blocks")
        return bytes(out), False


def prepare(data: bytes, most_pixels: int) -> Prepared:
    """Comments and later frames are left out: only the first one is decoded."""
    start = 13 + _table(data, 10)
    walk = _Walk(data, start)
    control, place = _to_image(walk)
    body = place + 10 + _table(data, place + 9)  # an image's descriptor, its own colours
    walk.place = body + 1  # behind the size of the codes
    packed, ended = walk.sub_blocks(keep=True)
    if not packed:
        raise Incomplete
    head = data[:start] + control + data[place : body + 1]
    frames = 1 + (_more_frames(walk) if ended else 0)
    if ended:
        return Prepared(_built(head, packed), (), frames)
    width, height = (int.from_bytes(data[at : at + 2], "little") for at in (place + 5, place + 7))
    # The code 0 is a pixel at any length of codes: so many that they can stand for what may be missing.
    padding = bytes(int(min(width * height, most_pixels) * MOST_MISSING * 12 / 8))
    again = Prepared(_built(head, packed + padding), (CUT,), frames)
    return Prepared(_built(head, packed), (END_MISSING,), frames, again=lambda: again)


def _table(data: bytes, at: int) -> int:
    """Length of a colour table, which the flags at ``at`` tell of."""
    flags = data[at] if at < len(data) else 0
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _to_image(walk: _Walk) -> tuple[bytes, int]:
    """Steps to the first image: the control block before it, and its place."""
    control, data = b"", walk.data
    while walk.place + 10 <= len(data):
        kind = data[walk.place]
        if kind == IMAGE:
            return control, walk.place
        if kind != EXTENSION:
            break
        is_control = data[walk.place + 1] == CONTROL
        walk.place += 2
        content, _ = walk.sub_blocks(keep=is_control)
        if is_control and len(content) == 4:
            control = bytes([EXTENSION, CONTROL, 4]) + content + b"\0"
    raise Incomplete


def _more_frames(walk: _Walk) -> int:
    """Behind the first one; counting ends above MOST_FRAMES, and with the blocks that are let in."""
    data, frames = walk.data, 0
    while frames < MOST_FRAMES and walk.place + 2 <= len(data):
        kind = data[walk.place]
        if kind == IMAGE:
            frames += 1
            walk.place += 11 + _table(data, walk.place + 9)
        elif kind == EXTENSION:
            walk.place += 2
        else:
            break
        try:
            walk.sub_blocks(keep=False)
        except TooComplex:
            return MOST_FRAMES
    return frames


def _built(head: bytes, packed: bytes) -> bytes:
    blocks = (packed[start : start + 255] for start in range(0, len(packed), 255))
    return head + b"".join(bytes([len(each)]) + each for each in blocks) + b"\0;"
