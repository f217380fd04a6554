"""Small files of every format, made on the spot."""

import io
import struct
import zipfile
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pptx
from PIL import Image, ImageDraw, ImageFont
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas


def pdf(
    path: Path, *pages: list[tuple[str, int]], password: str | None = None, owner: str | None = None
) -> Path:
    """Pages of (line, size), top to bottom, with a line's height between lines."""
    lock = (
        StandardEncryption(password or "", owner or password, canPrint=0)
        if password or owner
        else None
    )
    canvas = Canvas(str(path), encrypt=lock)
    for lines in pages:
        y = 800.0
        for line, size in lines:
            y -= 1.2 * size
            canvas.setFont("Helvetica", size)
            canvas.drawString(60, y, line)
        canvas.showPage()
    canvas.save()
    return path


def word(path: Path) -> Path:
    document = docx.Document()
    document.core_properties.title = "Staff rules"
    document.add_heading("Leave", 1)
    document.add_paragraph("Everybody has thirty days.")
    document.add_heading("Sick leave", 2)
    document.add_paragraph("Call before nine.", style="List Bullet")
    grid = document.add_table(2, 2)
    for cell, text in zip(grid._cells, ["Name", "Days", "Ada", "30"], strict=True):
        cell.text = text
    document.add_comment(document.paragraphs[1].runs, "Is this still right?", author="Ada")
    document.save(str(path))
    return path


def slides(path: Path) -> Path:
    deck = pptx.Presentation()
    for title in ("First slide", "Second slide"):
        slide = deck.slides.add_slide(deck.slide_layouts[5])
        slide.shapes.title.text = title
    slide.notes_slide.notes_text_frame.text = "Speak slowly."
    data = CategoryChartData()
    data.categories = ["Spring", "Autumn"]
    data.add_series("Ducks", (17.5, 42.25))
    slide.shapes.add_chart(XL_CHART_TYPE.PIE, Inches(1), Inches(2), Inches(4), Inches(3), data)
    deck.save(str(path))
    return path


def sheets(path: Path) -> Path:
    book = openpyxl.Workbook()
    book.active.title = "Budget"
    for row in (["Item", "Cost"], ["Chair", 120], ["Desk", 340]):
        book.active.append(row)
    book.active["B2"].comment = openpyxl.comments.Comment("Too dear", "Ada")
    other = book.create_sheet("Travel")
    other.append(["City", "Nights"])
    other.append(["Kyoto", 3])
    book.save(str(path))
    return path


def strict(path: Path, source: Path) -> Path:
    """The same file in the strict form of the format."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            for area in (b"spreadsheetml", b"officeDocument", b"drawingml"):
                data = data.replace(
                    b"http://schemas.openxmlformats.org/" + area + b"/2006/",
                    b"http://purl.oclc.org/ooxml/" + area + b"/",
                )
            new.writestr(name, data)
    return path


def book(path: Path) -> Path:
    page = "<html><head><title>{0}</title></head><body><h1>{0}</h1><p>{1}</p></body></html>"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="O/p.opf"/></rootfiles></container>',
        )
        archive.writestr(
            "O/p.opf",
            '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
            "<dc:title>Winter</dc:title></metadata><manifest>"
            '<item id="b" href="b.xhtml" media-type="application/xhtml+xml"/>'
            '<item id="a" href="a%20a.xhtml" media-type="application/xhtml+xml"/></manifest>'
            '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>',
        )
        archive.writestr("O/a a.xhtml", page.format("Snow", "It falls."))
        archive.writestr("O/b.xhtml", page.format("Ice", "It is thick."))
    return path


def letter(subject: str, body: str, *attached: tuple[str, bytes]) -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = (
        subject,
        "Ada <ada@example.org>",
        "Bob <bob@example.org>",
    )
    message.set_content(body)
    for name, data in attached:
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return message


def picture(text: str, turned: int = 0) -> bytes:
    """A PNG with the lines of a text, turned by so many degrees."""
    image = Image.new("RGB", (900, 80 + 60 * len(text.split("\n"))), "white")
    ImageDraw.Draw(image).text((40, 40), text, "black", ImageFont.load_default(40), spacing=18)
    out = io.BytesIO()
    image.rotate(turned, expand=True, fillcolor="white").save(out, "PNG")
    return out.getvalue()


# --- Outlook's container ---

Tree = dict[str, Any]  # names to bytes (a stream) or to a Tree (a storage)


def container(tree: Tree) -> bytes:
    """An OLE container with these storages and streams."""
    free, end, fat_mark = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    entries: list[dict[str, Any]] = [{"name": "Root Entry", "kind": 5, "data": b"", "child": free}]

    def balanced(ids: list[int]) -> int:
        if not ids:
            return free
        middle = len(ids) // 2
        entries[ids[middle]] |= {
            "left": balanced(ids[:middle]),
            "right": balanced(ids[middle + 1 :]),
        }
        return ids[middle]

    def add(parent: int, branch: Tree) -> None:
        ids = []
        for name in sorted(branch, key=lambda name: (len(name), name.upper())):
            inner = branch[name]
            ids.append(len(entries))
            entries.append(
                {
                    "name": name,
                    "kind": 2 if isinstance(inner, bytes) else 1,
                    "data": inner if isinstance(inner, bytes) else b"",
                    "child": free,
                }
            )
            if not isinstance(inner, bytes):
                add(ids[-1], inner)
        entries[parent]["child"] = balanced(ids)

    add(0, tree)
    small, small_next = b"", list[int]()
    sectors, after = list[bytes](), list[int]()

    def chain(data: bytes) -> int:
        if not data:
            return end
        first, count = len(sectors), -(-len(data) // 512)
        sectors.extend(data[512 * n : 512 * n + 512].ljust(512, b"\0") for n in range(count))
        after.extend([*range(first + 1, first + count), end])
        return first

    for entry in entries[1:]:
        data = entry["data"]
        if entry["kind"] == 2 and 0 < len(data) < 4096:
            first, count = len(small_next), -(-len(data) // 64)
            small += data.ljust(64 * count, b"\0")
            small_next += [*range(first + 1, first + count), end]
            entry["start"] = first
        else:
            entry["start"] = chain(data) if entry["kind"] == 2 else 0
    entries[0] |= {"start": chain(small), "data": small}
    map_data = struct.pack(f"<{len(small_next)}I", *small_next)
    map_data = map_data.ljust(-(-len(map_data) // 512) * 512, b"\xff")
    small_map = chain(map_data)
    rows = b""
    for entry in entries:
        name = entry["name"].encode("utf-16-le") + b"\0\0"
        rows += name.ljust(64, b"\0") + struct.pack(
            "<HBBIII",
            len(name),
            entry["kind"],
            1,
            entry.get("left", free),
            entry.get("right", free),
            entry["child"],
        )
        rows += bytes(36) + struct.pack("<IQ", entry["start"], len(entry["data"]))
    empty = bytes(64) + struct.pack("<HBBIII", 0, 0, 0, free, free, free) + bytes(48)
    rows += empty * (-len(entries) % 4)
    directory = chain(rows)
    count = 1
    while count * 128 < len(after) + count:
        count += 1
    table = [*after, *([fat_mark] * count)]
    table += [free] * (count * 128 - len(table))
    header = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        + bytes(16)
        + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
        + bytes(6)
    )
    header += struct.pack(
        "<IIIIIIIIII", 0, count, directory, 0, 4096, small_map, len(map_data) // 512, end, 0, 0
    )[:36]
    places = [len(sectors) + n for n in range(count)]
    header += struct.pack("<109I", *places, *([free] * (109 - count)))
    return header + b"".join(sectors) + struct.pack(f"<{len(table)}I", *table)


def outlook(
    subject: str,
    body: str,
    attached: Sequence[tuple[str, bytes | Tree]] = (),
    *,
    code_page: int = 0,
    inner: bool = False,
) -> Tree:
    """A message as a tree for `container`; what is attached is bytes or a message.

    code_page: of its texts; 0: they are Unicode.
    """
    tree: Tree = {}
    rows = struct.pack("<HHIII", 3, 0x340D, 6, 0x40000, 0)
    if code_page:
        rows += struct.pack("<HHIII", 3, 0x3FFD, 6, code_page, 0)

    def text(into: Tree, number: int, value: str) -> bytes:
        kind = 0x1E if code_page else 0x1F
        data = value.encode(f"cp{code_page}" if code_page else "utf-16-le")
        into[f"__substg1.0_{number:04X}{kind:04X}"] = data
        return struct.pack("<HHIII", kind, number, 6, len(data) + 2, 0)

    rows += text(tree, 0x001A, "IPM.Note") + text(tree, 0x0037, subject) + text(tree, 0x1000, body)
    for number, (name, data) in enumerate(attached):
        place: Tree = {}
        given = text(place, 0x3001, name) + text(place, 0x3707, name)
        if isinstance(data, bytes):
            place["__substg1.0_37010102"] = data
            given += struct.pack("<HHIII", 0x102, 0x3701, 6, len(data), 0) + struct.pack(
                "<HHIII", 3, 0x3705, 6, 1, 0
            )
        else:
            place["__substg1.0_3701000D"] = data
            given += struct.pack("<HHIII", 0x0D, 0x3701, 6, 0xFFFFFFFF, 1) + struct.pack(
                "<HHIII", 3, 0x3705, 6, 5, 0
            )
        place["__properties_version1.0"] = bytes(8) + given
        tree[f"__attach_version1.0_#{number:08X}"] = place
    head = bytes(8) + struct.pack("<IIII", 0, len(attached), 0, len(attached))
    tree["__properties_version1.0"] = head + (b"" if inner else bytes(8)) + rows
    if not inner:
        tree["__nameid_version1.0"] = {f"__substg1.0_{n:04X}0102": b"" for n in (2, 3, 4)}
    return tree
