"""Files in every packing, and packings that are damaged or hostile."""

import gzip
import io
import zipfile

import pytest

from tradercast.errors import InputError
from tradercast.pipeline.files import Limits, read_trades, survey

COLUMNS = "ts_event=t:ms,price=p,size=s"
TEXT = b"t,p,s\n" + b"".join(b"%d,%d.5,1\n" % (1_700_000_000_000 + i, i) for i in range(1000))


def zipped(*members, **options):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


def rows(path, **options):
    return survey([path], COLUMNS, **options).rows


def test_the_packing_is_told_by_content_not_by_name(write):
    assert rows(write("plain.gz", TEXT)) == 1000
    assert rows(write("packed.csv", gzip.compress(TEXT))) == 1000
    assert rows(write("archive.dat", zipped(("a.csv", TEXT)))) == 1000


def test_zstd(write):
    zstandard = pytest.importorskip("zstandard")
    packed = zstandard.compress(TEXT[:5000]) + zstandard.compress(TEXT[5000:])

    assert rows(write("two-frames.zst", packed)) == 1000
    with pytest.raises(InputError, match=r"short\.zst is cut off"):
        rows(write("short.zst", packed[:-9]))
    with pytest.raises(InputError, match="can not be unpacked"):
        rows(write("broken.zst", packed[:20] + b"\xff" * 40 + packed[60:]))


def test_several_gzip_members_are_one_file(write):
    assert rows(write("x.csv.gz", gzip.compress(TEXT[:5000]) + gzip.compress(TEXT[5000:]))) == 1000


def test_a_truncated_gzip_is_cut_off(write):
    with pytest.raises(InputError, match=r"t\.csv\.gz is cut off"):
        rows(write("t.csv.gz", gzip.compress(TEXT)[:-20]))


def test_a_gzip_with_a_wrong_checksum(write):
    packed = bytearray(gzip.compress(TEXT))
    packed[-6] ^= 1

    with pytest.raises(InputError, match=r"t\.csv\.gz can not be unpacked"):
        rows(write("t.csv.gz", bytes(packed)))


def test_a_gzip_bomb_is_refused_by_its_ratio(write):
    bomb = gzip.compress(b"t,p,s\n" + b"1,1,1\n" * 8_000_000, 9)

    with pytest.raises(InputError, match="more than 50 times its size"):
        rows(write("bomb.csv.gz", bomb), limits=Limits(max_ratio=50))


def test_a_zip_bomb_is_refused_by_its_ratio(write):
    bomb = zipped(("x.csv", b"t,p,s\n" + b" " * 60_000_000))

    with pytest.raises(InputError, match="more than 250 times its size"):
        rows(write("bomb.zip", bomb), limits=Limits(max_row=1 << 30))


def test_a_file_over_the_size_limit(write):
    with pytest.raises(InputError, match="more than 10000 bytes"):
        rows(write("x.csv.gz", gzip.compress(TEXT)), limits=Limits(max_bytes=10_000))


def test_a_zip_with_several_members(write):
    with pytest.raises(InputError, match="holds 2 files, not one"):
        rows(write("x.zip", zipped(("a.csv", TEXT), ("b.csv", TEXT))))


def test_a_damaged_zip(write):
    packed = bytearray(zipped(("a.csv", TEXT)))
    packed[60:80] = b"\0" * 20

    with pytest.raises(InputError, match=r"x\.zip can not be unpacked"):
        rows(write("x.zip", bytes(packed)))
    with pytest.raises(InputError, match=r"cut\.zip can not be unpacked"):
        rows(write("cut.zip", bytes(packed[:-30])))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"\n\n  \n", "is empty"),
        (b"BZh91AY", "bzip2"),
        (b"\xfd7zXZ\0\0", "xz"),
        (b"\xff\xfet\0,\0p\0", "UTF-16"),
        (b"ARROW1\0\0", "Arrow"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (b'[{"t":1}]', "JSON array"),
    ],
)
def test_what_is_not_read_is_said(write, content, what):
    with pytest.raises(InputError, match=what) as caught:
        rows(write("odd.csv", content))

    assert "odd.csv" in caught.value.message


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv can not be read: No such file"):
        rows(tmp_path / "none.csv")
    with pytest.raises(InputError, match="can not be read: Is a directory"):
        rows(tmp_path)


def test_batches_are_large_whatever_the_blocks(write):
    text = b"t,p,s\n" + b"1700000000000,1.5,1\n" * 400_000

    sizes = [len(batch) for batch in read_trades([write("x.csv", text)], COLUMNS)]

    assert sum(sizes) == 400_000
    assert min(sizes[:-1]) >= 65_536
