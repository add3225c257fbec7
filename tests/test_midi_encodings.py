"""Names and texts that are not in UTF-8: the encoding that fits all of a file's is taken, and told."""

import pytest
from midi_hex import END, file, track

from melody import midi
from melody.midi.encodings import encoding_of

NOTE = "00 90 3C 40 18 80 3C 40"
TEXTS = {
    "cp932": "メロディ|さくら さくら|主旋律|ピアノ1|津軽海峡・冬景色|ドラム|♪歌|Track 1 伴奏|荒城の月",
    "cp1251": "Мелодия|ПИАНО|Гитара 1|Катюша|Подмосковные вечера|«Калинка»|Ударные|Бас-гитара|Ёлочка|№ 1 Вальс",
    "gbk": "钢琴|主旋律|鼓|小提琴|茉莉花|二胡 独奏|月亮代表我的心|伴奏|吉他",
    "cp1252": "Café|Übergröße|Noël|Señorita|Flöte|François|Pássaro|déjà vu|Ça ira|“Air” – niño|Ø|½ × ©",
}
SHOWN = {"cp932": "Shift-JIS", "cp1251": "Windows-1251", "gbk": "GBK", "cp1252": "Windows-1252"}


def name(text: bytes, kind: str = "03") -> str:
    return f"00 FF {kind} {len(text):02X} {text.hex()}"


@pytest.mark.parametrize(("encoding", "text"), [(e, text) for e, texts in TEXTS.items() for text in texts.split("|")])
def test_a_name_is_read_in_the_encoding_that_it_was_written_in(encoding, text):
    data = file(track(name(text.encode(encoding)), NOTE, END))
    reading = midi.parse(data)
    assert reading.piece.parts[0].name == reading.piece.title == text
    assert reading.repairs == (f"1 text not in UTF-8 read as {SHOWN[encoding]}",)


@pytest.mark.parametrize("encoding", TEXTS)
def test_all_names_of_a_file_are_in_one_encoding(encoding):
    texts = TEXTS[encoding].split("|")
    tracks = [track(name(text.encode(encoding)), NOTE, END) for text in texts]
    reading = midi.parse(file(track(name(b"Title"), name("UTF-8: é".encode(), "01"), END), *tracks))
    assert [part.name for part in reading.piece.parts] == texts
    assert reading.piece.title == "Title" and reading.piece.texts == ("UTF-8: é",)
    assert reading.repairs == (f"{len(texts)} texts not in UTF-8 read as {SHOWN[encoding]}",)


@pytest.mark.parametrize("text", ["Мелодия", "さくら", "Café", "茉莉花", "Flöte 𝄞"])
def test_utf_8_comes_first(text):
    reading = midi.parse(file(track(name(text.encode()), NOTE, END)))
    assert reading.piece.parts[0].name == text and not reading.repairs


def test_bytes_that_fit_nothing_are_read_all_the_same():
    for body in (b"\xff\xfe", b"\x81", b"\x98\x81\x8d", bytes(range(128, 256)), b"a\x1b\x9b2J\xff"):
        assert encoding_of([body]) in SHOWN
        read = midi.parse(file(track(name(body[:100]), NOTE, END))).piece.parts[0].name
        assert read.isprintable()
