"""Bytes become the text that was meant, and what cannot be decoded is counted."""

import pytest

from indexes.errors import SourceBroken
from ingest.elements import ParseOptions
from ingest.partition.encodings import codec_of, decode_bytes
from tests.ingest.completeness import share_of_words, text_of
from tests.ingest.parsing import losses, parsed

ENCODINGS = ParseOptions().encodings
SENTENCES = {
    "Склад открывается в восемь часов утра. Выдача по пропускам.": (
        "koi8-r", "cp1251", "cp866", "iso8859-5", "mac-cyrillic",
    ),
    "ПРИКАЗ О НАЗНАЧЕНИИ ДЕЖУРНОГО": ("koi8-r", "cp1251", "cp866"),
    "Щоденник працівника ведеться українською мовою, її знають усі.": ("koi8-u", "cp1251"),
    "Η αποθήκη ανοίγει στις οκτώ το πρωί και κλείνει στις έξι.": ("cp1253", "iso8859-7"),
    "המחסן נפתח בשמונה בבוקר ונסגר בשש בערב": ("cp1255", "iso8859-8"),
    "يفتح المستودع في الثامنة صباحا ويغلق في السادسة مساء": ("cp1256", "iso8859-6"),
    "คลังสินค้าเปิดเวลาแปดโมงเช้าและปิดเวลาหกโมงเย็น": ("cp874",),
    "Depo sabah açılır, akşam kapanır. Görevli değişir, şifre gizlidir.": ("cp1254",),
    "Příjem zboží končí ve čtyři hodiny odpoledne.": ("cp1250", "iso8859-2", "cp852"),
    "Magazyn otwiera się o ósmej rano. Żółta łódź.": ("cp1250", "iso8859-2", "cp852"),
    "A raktár nyolckor nyílik. Kérjük, őrizze meg a fűtést.": ("cp1250", "iso8859-2"),
    "Der Schlüssel für das Lager hängt im Büro. Größere Mengen.": ("cp1252", "mac-roman", "cp850"),
    "L'équipe range ses outils à la fin de la journée.": ("cp1252", "mac-roman", "cp850"),
    "The canteen serves café au lait – “fresh” – from seven.": ("cp1252",),
    "温室夜间温度不得低于十二度。值班员每两小时记录一次。": ("gb18030", "utf-16", "utf-8-sig"),
    "圖書館週日休館，還書請投入還書箱。": ("big5",),
    "従業員は毎年十五日の有給休暇を取得することができます。": ("shift_jis", "euc-jp", "iso2022_jp"),
    "도서관은 월요일에 쉽니다. 책은 두 주 동안 빌려 줍니다.": ("cp949",),
}  # fmt: skip
CASES = [(text, encoding) for text, encodings in SENTENCES.items() for encoding in encodings]


@pytest.mark.parametrize(("text", "encoding"), CASES)
def test_the_likeliest_encoding_is_the_one_that_was_used(text, encoding):
    assert decode_bytes(text.encode(encoding), ENCODINGS).text == text


SIGNS = {
    "The hire of a boat is 40 € a day and the deposit is 100 €.": ("cp1252", "mac-roman"),
    "Item;Price\nRope;12,50 €\nSail;99,00 €\nOar;7,10 €": ("cp1252", "mac-roman"),
    "Item… the “big” sail isn’t sold – it costs € 40.": ("cp1252",),
    "Fee: £40 (£8 VAT), see § 4, 21 °C, ½ × 3 ± 2": ("cp1252",),
    "© 2024 The harbour office": ("cp1252", "mac-roman", "iso8859-15"),
    "« Payment in cash only »": ("cp1252", "iso8859-15"),
    "Le cœur de l'œuvre coûte 18 € ; l'œil, l'été.": ("cp1252", "iso8859-15"),
    "Die Miete für das Boot beträgt 40 € am Tag.": ("cp1252", "iso8859-15", "mac-roman"),
    "Η ενοικίαση του σκάφους κοστίζει 40 € την ημέρα.": ("cp1253", "iso8859-7"),
    "Цена: 12 €": ("cp1251",),
    "Да": ("cp1251", "koi8-r"),
    "price 12 р": ("cp1251",),
    "с 5 до 7": ("cp1251",),
    "5 и 7": ("cp1251", "koi8-r"),
    "имя: 12": ("cp1251",),
    "Ђорђе: 40 € и 5": ("cp1251",),
}
SIGNED = [(text, encoding) for text, encodings in SIGNS.items() for encoding in encodings]


@pytest.mark.parametrize(("text", "encoding"), SIGNED)
def test_signs_beside_figures_are_no_letters_of_another_script(text, encoding):
    assert decode_bytes(text.encode(encoding), ENCODINGS).text == text


@pytest.mark.parametrize("ending", ["txt", "md", "csv", "html", "log", "json", "yaml", "xml"])
def test_one_bad_byte_spoils_one_character(tmp_path, ending):
    text = "Straße: Öffnung täglich um neun\nGröße: für Schüler ist der Eintritt frei\n" * 3
    data = {
        "html": f"<p>{text}</p>".encode() + b"<p>Stra\xdfe</p>",
        "xml": f"<a>{text}</a>".encode().replace(b"</a>", b"Stra\xdfe</a>"),
        "json": b'["' + text.replace("\n", " ").encode() + b' Stra\xdfe"]',
    }.get(ending, text.encode() + b"Ort: Stra\xdfe\n")
    document = parsed(tmp_path / f"a.{ending}", data)
    assert share_of_words(document, text) == 1.0
    assert losses(document) == ["1 character could not be decoded and was replaced."]


def test_a_text_cut_within_a_character_is_still_what_it_was(tmp_path):
    text = "仓库管理员每周一早上清点库存。缺少的物品由值班员补领。" * 3
    document = parsed(tmp_path / "a.txt", text.encode()[1:-1])
    assert share_of_words(document, text) == 1.0
    assert document.losses


def test_text_with_much_that_cannot_be_decoded_is_damaged(tmp_path):
    good = "这是一段正常的文字。" * 40
    data = b"".join(char.encode() + b"\xff" * (n % 9 == 0) for n, char in enumerate(good))
    with pytest.raises(SourceBroken, match="characters cannot be read"):
        parsed(tmp_path / "a.txt", data)


def test_a_declared_encoding_with_broken_bytes_is_read_as_declared(tmp_path):
    page = "<html><head><meta charset=gb2312></head><body>" + "<p>温室每天早上六点通风。</p>" * 3
    document = parsed(tmp_path / "a.html", page.encode("gb18030") + b"<p>\xff \xb3</p>")
    assert "温室每天早上六点通风" in text_of(document)


def test_a_declared_encoding_that_the_bytes_deny_is_a_mistake():
    text = "Der Schlüssel für das Lager hängt im Büro. Größere Mengen."
    assert decode_bytes(text.encode("cp1252"), ENCODINGS, "utf-8").text == text
    assert decode_bytes(text.encode(), ENCODINGS, "iso-8859-1").text == text
    assert decode_bytes(text.encode("cp1252"), ENCODINGS, "us-ascii").text == text


def test_a_page_that_calls_itself_utf_16_in_ascii_is_not(tmp_path):
    page = '<html><head><meta charset="utf-16"></head><body><p>Größe</p></body></html>'
    assert "Größe" in text_of(parsed(tmp_path / "a.html", page))


def test_surrogates_written_as_utf_8_become_the_character_they_mean():
    assert (
        decode_bytes("ab 😀".encode("utf-16-le").decode("utf-16-le").encode("utf-8"), ()).text
        == "ab 😀"
    )
    assert decode_bytes(b"ab \xed\xa0\xbd\xed\xb8\x80", ENCODINGS).text == "ab 😀"


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("x-gbk", "gb18030"), ("windows-1250", "cp1250"), ("CP-850", "cp850"), ("ISO-8859-1", "cp1252"),
        ("'utf8'", "utf-8"), ("us-ascii", None), ("no such thing", None), ("base64", None), (None, None),
    ],
)  # fmt: skip
def test_a_charset_is_known_by_all_its_names(name, codec):
    assert codec_of(name) == codec
