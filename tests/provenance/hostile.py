"""Files whose metadata lies, loops, swells or is cut short, made on the spot: name to maker."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable

from tests import hostile
from tests.provenance.pieces import (
    A1111,
    DEEP,
    DEEP_OBJECT,
    END,
    JUMBF,
    MIB,
    OUTSIDE,
    PARAMETER,
    RDF,
    app11,
    bomb,
    box,
    cbor_depth,
    chunk,
    cut,
    directory_chain,
    exif_jpeg,
    exif_png,
    flipped,
    graph,
    jpeg_with,
    json_in_json,
    known_many_times,
    laughs,
    nasty,
    nested_boxes,
    png_with,
    quadratic,
    rich,
    same_megabyte,
    segment,
    text_chunk,
    thumbnail,
    tiff,
    webp_with,
    wide_json,
    xmp_jpeg,
    xmp_png,
)

Maker = Callable[[], bytes]

HOSTILE: dict[str, Maker] = {
    # EXIF: offsets, loops, counts
    "exif first directory outside.jpg": lambda: exif_jpeg(b"II*\0\xff\xff\xff\x7f" + bytes(64)),
    "exif directory is itself.jpg": lambda: exif_jpeg(tiff((34665, 4, 1, 8), link=8)),
    "exif gps is the first.jpg": lambda: exif_jpeg(tiff((34853, 4, 1, 8), (34665, 4, 1, 8))),
    "exif link to itself.jpg": lambda: exif_jpeg(tiff(link=8)),
    "exif two directories in a ring.jpg": lambda: exif_jpeg(
        tiff((34665, 4, 1, 26), tail=struct.pack("<HHHIII", 1, 34665, 4, 1, 8, 8))
    ),
    "exif chain of directories.jpg": directory_chain,
    "exif value offsets huge.jpg": lambda: exif_jpeg(
        tiff(*((tag, 2, 99, 0xFFFFFFF0) for tag in range(270, 320)))
    ),
    "exif counts huge.jpg": lambda: exif_jpeg(tiff(*((tag, 12, 0xFFFFFFFF, 8) for tag in range(270, 320)))),
    "exif more tags claimed.jpg": lambda: exif_jpeg(tiff((271, 2, 4, 8), count=0xFFFF)),
    "exif same megabyte 60,000 times.png": same_megabyte,
    "exif artist 20,000 times.png": known_many_times,
    "exif unknown types.jpg": lambda: exif_jpeg(
        tiff(*((tag, 200 + tag % 50, 9, 8) for tag in range(256, 330)))
    ),
    "exif rational over nothing.jpg": lambda: exif_jpeg(tiff((33434, 5, 1, 8), (33437, 5, 1, 0xFFFFFF00))),
    "exif header only.jpg": lambda: exif_jpeg(b"II*\0"),
    "exif empty.jpg": lambda: exif_jpeg(b""),
    "exif wrong byte order.jpg": lambda: exif_jpeg(b"XX*\0\x08\0\0\0" + bytes(40)),
    "exif noise.jpg": lambda: exif_jpeg(b"MM\0*\0\0\0\x08" + nasty(1, 60_000)),
    "exif of 3 MB.png": lambda: exif_png(tiff((270, 2, 3 * MIB, 26), tail=b"a" * 3 * MIB)),
    "exif comment in no code.jpg": lambda: exif_jpeg(tiff((37510, 7, 300, 26), tail=nasty(2, 300))),
    "exif comment odd utf-16.jpg": lambda: exif_jpeg(
        tiff((37510, 7, 31, 26), tail=b"UNICODE\0" + b"\xd8\0\xdc" * 7 + b"\xd8\0")
    ),
    "exif control characters.jpg": lambda: exif_jpeg(
        tiff((271, 2, 40, 38), (272, 2, 40, 38), tail="a\x1b[31m\u202e\u2066x\0y\r\n".encode() * 3)
    ),
    "exif dates of nonsense.jpg": lambda: exif_jpeg(
        tiff((306, 2, 20, 38), (36867, 2, 20, 38), tail=b"9999:99:99 99:99:99\0")
    ),
    "exif xp title odd.jpg": lambda: exif_jpeg(tiff((40091, 1, 7, 26), tail=b"\xff\xd8\xff\xd8\xff\xd8\xff")),
    # Previews
    "preview outside.jpg": lambda: thumbnail(0x7FFFFFFF, 100),
    "preview of no length.jpg": lambda: thumbnail(44, 0),
    "preview huge.jpg": lambda: thumbnail(44, 0x7FFFFFFF, b"\xff\xd8\xff"),
    "preview is noise.jpg": lambda: thumbnail(44, 3000, b"\xff\xd8\xff" + nasty(3)),
    "preview claims a gigapixel.jpg": lambda: thumbnail(
        44, 1000, hostile.jpeg()[:160] + segment(0xC0, b"\x08\xff\xff\xff\xff\3\1\x22\0\2\x11\1\3\x11\1")
    ),
    "preview of many scans.jpg": lambda: thumbnail(44, 60_000, hostile.many_scans(1200)[:60_000]),
    # XMP
    "xmp billion laughs.jpg": lambda: xmp_jpeg(laughs()),
    "xmp billion laughs.png": lambda: xmp_png(laughs()),
    "xmp billion laughs utf-16.png": lambda: xmp_png(
        b"\xff\xfe" + laughs().decode().replace("<?xml version='1.0'?>", "").encode("utf-16-le")
    ),
    "xmp quadratic.jpg": lambda: xmp_jpeg(quadratic()),
    "xmp names a file.jpg": lambda: xmp_jpeg(OUTSIDE),
    "xmp names an address.jpg": lambda: xmp_jpeg(PARAMETER),
    "xmp nested deep.png": lambda: xmp_png(RDF + b"<a>" * 200_000),
    "xmp of many properties.png": lambda: xmp_png(RDF + b"<a>b</a>" * 100_000 + END),
    "xmp of many attributes.png": lambda: xmp_png(
        RDF + b"<a " + b" ".join(b'a%d="b"' % n for n in range(60_000)) + b"/>" + END
    ),
    "xmp of many namespaces.png": lambda: xmp_png(
        RDF + b"<a " + b" ".join(b'xmlns:a%d="b%d"' % (n, n) for n in range(20_000)) + b"/>" + END
    ),
    "xmp one text of 900 KB.png": lambda: xmp_png(RDF + b"<a>" + b"b" * 900_000 + b"</a>" + END),
    "xmp broken utf-8.jpg": lambda: xmp_jpeg(RDF + b"<a>\xff\xfe\xc0\xaf\xed\xa0\x80</a>" + END),
    "xmp unknown encoding.jpg": lambda: xmp_jpeg(b'<?xml version="1.0" encoding="x-nothing"?><a/>'),
    "xmp cut short.jpg": lambda: xmp_jpeg(RDF + b"<rdf:Description a="),
    "xmp zeros.jpg": lambda: xmp_jpeg(bytes(60_000)),
    "xmp of 2 MB.png": lambda: xmp_png(RDF + b" " * 2 * MIB + END),
    "xmp a hundred packets.png": lambda: png_with(
        *[chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + RDF + END)] * 100
    ),
    # Text and what it inflates to
    "png text of 50 MB.png": lambda: png_with(text_chunk("parameters", b"a" * 50 * MIB)),
    "png 50 texts of 1 MB.png": lambda: png_with(*[text_chunk("parameters", A1111 + b" " * (MIB - 99))] * 50),
    "png 9,000 texts.png": lambda: png_with(*[text_chunk("prompt", b"{}")] * 9_000),
    "png zTXt bomb.png": lambda: png_with(chunk(b"zTXt", b"parameters\0\0" + bomb())),
    "png iTXt bomb.png": lambda: png_with(chunk(b"iTXt", b"workflow\0\1\0\0\0" + bomb())),
    "png xmp bomb.png": lambda: png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb())),
    "png 200 zTXt bombs.png": lambda: png_with(*[chunk(b"zTXt", b"a\0\0" + bomb(4 * MIB))] * 200),
    "png icc bomb.png": lambda: png_with(chunk(b"iCCP", b"p\0\0" + bomb())),
    "png zTXt noise.png": lambda: png_with(chunk(b"zTXt", b"parameters\0\0" + nasty(5))),
    "png keyword without end.png": lambda: png_with(chunk(b"tEXt", b"k" * 70_000)),
    "png iTXt without ends.png": lambda: png_with(chunk(b"iTXt", b"a\0\1\0" + b"x" * 5000)),
    "png raw profile lies.png": lambda: png_with(
        text_chunk("Raw profile type exif", b"\nexif\n 99999999\nzz12")
    ),
    "png length lies.png": lambda: png_with(chunk(b"tEXt", b"parameters\0a", length=0x7FFFFFFF)),
    "png length of all ones.png": lambda: png_with(chunk(b"eXIf", b"II*\0", length=0xFFFFFFFF)),
    "json nested 100,000 deep.png": lambda: png_with(text_chunk("prompt", DEEP)),
    "json objects 30,000 deep.png": lambda: png_with(text_chunk("AIGC", DEEP_OBJECT)),
    "json huge number.png": lambda: png_with(text_chunk("workflow", b'{"nodes":' + b"9" * 500_000 + b"}")),
    "json nan.png": lambda: png_with(text_chunk("Comment", b'{"prompt":NaN,"steps":1e999,"sampler":[]}')),
    "comfyui of 20,000 nodes.png": lambda: png_with(text_chunk("prompt", graph(20_000))),
    "comfyui of wrong types.png": lambda: png_with(
        text_chunk("workflow", b'{"nodes":[1,null,{"type":3,"pos":0,"inputs":"x"}]}'),
        text_chunk("prompt", b'{"1":{"class_type":[],"inputs":{"text":["2",0]}}}'),
    ),
    "settings repeated.png": lambda: png_with(text_chunk("parameters", b"Steps: 1, " * 90_000)),
    "json in json in json.png": lambda: png_with(text_chunk("Comment", json_in_json(18))),
    "json 5,000 texts of json.png": lambda: png_with(
        text_chunk("Comment", json.dumps([json.dumps({"prompt": ["a"] * 9})] * 5000).encode())
    ),
    "json wide and deep.png": lambda: png_with(text_chunk("Comment", wide_json())),
    "json of the same keys in 200 texts.png": lambda: png_with(
        *[text_chunk(f"k{n}", json.dumps([{"seed": n, "steps": 1}] * 300).encode()) for n in range(199)]
    ),
    "settings named 90,000 times.png": lambda: png_with(
        text_chunk("a", b"seed: 1, cfg: 1, " * 30_000 + b"steps: 1, model: x, " * 20_000)
    ),
    "broken graph 90,000 times.png": lambda: png_with(text_chunk("a", b'{"class_type" : ' * 60_000)),
    "numbers like ImageMagick's.png": lambda: png_with(text_chunk("exif:UserComment", b"255, " * 200_000)),
    "exif texts without names.jpg": lambda: exif_png(
        tiff(*((tag, 2, 900, 26_000) for tag in range(50_000, 52_000)), tail=b"a castle " * 4000)
    ),
    "xmp second block lies.jpg": lambda: jpeg_with(
        *[segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"\xff" * 40 + b"<a>" * 9)] * 500
    ),
    "xmp second block of no length.jpg": lambda: jpeg_with(
        segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0", length=40)
    ),
    "dream without end.png": lambda: png_with(text_chunk("Dream", b'"' + b" -s1" * 100_000)),
    # Containers that lie
    "jpeg segment longer than the file.jpg": lambda: jpeg_with(
        segment(0xE1, b"Exif\0\0II*\0", length=0xFFFF)
    ),
    "jpeg segments of no length.jpg": lambda: jpeg_with(*[segment(0xE1, b"", length=0)] * 5000),
    "jpeg 9,000 comments.jpg": lambda: jpeg_with(*[segment(0xFE, b"hello")] * 9_000),
    "jpeg 100 tables.jpg": lambda: jpeg_with(*[segment(0xDB, b"\x0f" + bytes(64))] * 100),
    "jpeg table cut short.jpg": lambda: jpeg_with(segment(0xDB, b"\x10" + bytes(9))),
    "photoshop resources lie.jpg": lambda: jpeg_with(
        segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\xff" + b"8BIM" * 9000)
    ),
    "iptc lengths lie.jpg": lambda: jpeg_with(
        segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\xff\xff" + b"\x1c\x02\x50\xff\xff" * 4000)
    ),
    "icc in 255 parts, none whole.jpg": lambda: jpeg_with(
        *[segment(0xE2, b"ICC_PROFILE\0" + bytes([n, 255]) + nasty(n, 200)) for n in range(1, 255)]
    ),
    "webp chunk lies.webp": lambda: webp_with((b"EXIF", b"II*\0"), claimed=0xFFFFFFFE),
    "webp 9,000 chunks.webp": lambda: webp_with(*[(b"XMP ", b"<a/>")] * 9_000),
    "gif comments without end.gif": lambda: hostile.animated("GIF")[:-1] + b"!\xfe\xff" * 40_000,
    "gif comment of single bytes.gif": lambda: hostile.animated("GIF")[:-1] + b"!\xfe" + b"\1a" * 2 * MIB,
    "gif 9,000 comments.gif": lambda: hostile.animated("GIF")[:-1] + b"!\xfe\5hello\0" * 9_000,
    "gif xmp without end.gif": lambda: hostile.animated("GIF")[:-1] + b"!\xff\x0bXMP DataXMP" + b"<a>" * 5000,
    "tiff xmp outside.tiff": lambda: hostile.tiff(
        *hostile.grey_tags(16, (700, 1, 0x7FFFFFFF, 8), (33723, 4, 0x3FFFFFFF, 8)), data=bytes(256)
    ),
    "samsung trailer of noise.jpg": lambda: hostile.jpeg() + b"PhotoEditor_Re_Edit_Data" + nasty(7, 2 * MIB),
    "samsung number of digits.jpg": lambda: (
        hostile.jpeg() + b'PhotoEditor_Re_Edit_Data{"genAIType":' + b"9" * 100_000
    ),
    # C2PA
    "c2pa boxes longer than the file.jpg": lambda: jpeg_with(app11(box(b"jumb", JUMBF, length=0x7FFFFFFF))),
    "c2pa boxes of no length.jpg": lambda: jpeg_with(app11(box(b"jumb", JUMBF, length=0))),
    "c2pa boxes of length one.jpg": lambda: jpeg_with(app11(box(b"jumb", b"\xff" * 64, length=1))),
    "c2pa boxes nested.png": lambda: png_with(chunk(b"caBX", nested_boxes())),
    "c2pa cbor nested.png": lambda: png_with(chunk(b"caBX", cbor_depth())),
    "c2pa noise.png": lambda: png_with(chunk(b"caBX", nasty(8, 100_000))),
    "c2pa empty manifest.jpg": lambda: jpeg_with(app11(JUMBF)),
    "c2pa parts out of order.jpg": lambda: jpeg_with(
        *[app11(JUMBF, packet=packet) for packet in (3, 1, 0xFFFFFFFF, 1)]
    ),
    "c2pa noise.webp": lambda: webp_with((b"C2PA", nasty(9, 50_000))),
    "c2pa cbor claims a gigabyte.png": lambda: png_with(
        chunk(
            b"caBX", box(b"jumb", box(b"jumd", b"c2pa" + bytes(13)) + box(b"cbor", b"\x5a\x7f\xff\xff\xff"))
        )
    ),
    # All at once, cut or with bytes changed
    "rich cut at a quarter.jpg": lambda: cut(rich(), 0.25),
    "rich cut at half.jpg": lambda: cut(rich(), 0.5),
    **{f"rich flipped {seed}.jpg": lambda seed=seed: flipped(rich(), seed) for seed in range(8)},
}
