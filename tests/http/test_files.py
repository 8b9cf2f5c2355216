"""Files over HTTP: uploads, the fields that take them, downloads in the reader's rights, and what is collected."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import ExifTags, Image

from engine.base.context import OPERATOR, Context
from engine.base.errors import Refused
from engine.base.settings import Settings
from engine.files.collect import collect
from engine.files.contents import described, media_type, thumbnail
from engine.files.store import get, key
from engine.files.uploads import upload
from engine.runtime import running
from tests.http.conftest import House
from tests.tenancy import sql

PDF = b"%PDF-1.7\n" + b"x" * 90
FILES, PARCELS = "/acme/api/files", "/acme/api/records/parcel"


def picture(width: int = 40, height: int = 20, form: str = "JPEG", exif: bool = False) -> bytes:
    out, tags = io.BytesIO(), Image.Exif()
    if exif:
        tags[ExifTags.Base.Orientation] = 6
        tags.get_ifd(ExifTags.IFD.Exif).update({0x9003: "2026:02:28 14:30:00", 0x9011: "+08:00"})
        tags.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (31.0, 13.0, 49.44), 3: "E", 4: (121.0, 28.0, 25.32)})
    Image.new("RGB", (width, height), "red").save(out, form, exif=tags)
    return out.getvalue()


def uploaded(client: httpx2.Client, content: bytes, name: str) -> dict[str, Any]:
    answer = client.post(FILES, params={"name": name}, content=content)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def created(client: httpx2.Client, **row: Any) -> dict[str, Any]:
    answer = client.post(PARCELS, json={"name": "p", **row})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def faults(answer: httpx2.Response) -> set[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return {(error["code"], error["pointer"]) for error in answer.json()["errors"]}


def test_a_file_is_uploaded_put_into_a_record_and_downloaded(ada: httpx2.Client) -> None:
    """type: file holds the id of an upload and reads as what is known of it."""
    file = uploaded(ada, PDF, "../Angebot ä.pdf")
    assert file["name"] == "Angebot ä.pdf" and file["type"] == "application/pdf" and file["size"] == len(PDF)
    assert file["sha256"] == hashlib.sha256(PDF).hexdigest()
    parcel = created(ada, note=file["id"])
    assert parcel["note"] == file
    place = f"{PARCELS}/{parcel['id']}/files/note"
    for address in (place, f"{place}/{file['id']}"):
        answer = ada.get(address)
        assert answer.content == PDF and answer.headers["content-type"] == "application/pdf"
        assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''Angebot%20%C3%A4.pdf"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers.get_list("cache-control") == ["private, no-cache"]
    again = ada.get(place, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = ada.head(place)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(PDF)))


RANGES = [
    ("bytes=0-8", 206, PDF[:9], "bytes 0-8/99"),
    ("bytes=90-", 206, PDF[90:], "bytes 90-98/99"),
    ("bytes=90-500", 206, PDF[90:], "bytes 90-98/99"),
    ("bytes=-5", 206, PDF[-5:], "bytes 94-98/99"),
    ("bytes=0-", 200, PDF, None),
    ("bytes=5-2", 200, PDF, None),
    ("bytes=0-1,4-5", 200, PDF, None),
    ("lines=1-2", 200, PDF, None),
    ("bytes=99-", 416, b"", "bytes */99"),
    ("bytes=-0", 416, b"", "bytes */99"),
]


@pytest.mark.parametrize(("asked", "status", "content", "told"), RANGES)
def test_ranges(ada: httpx2.Client, asked: str, status: int, content: bytes, told: str | None) -> None:
    parcel = created(ada, note=uploaded(ada, PDF, "a.pdf")["id"])
    place = f"{PARCELS}/{parcel['id']}/files/note"
    answer = ada.get(place, headers={"range": asked})
    assert (answer.status_code, answer.content, answer.headers.get("content-range")) == (status, content, told)
    old = ada.get(place, headers={"range": asked, "if-range": '"another"'})
    assert (old.status_code, old.content) == (200, PDF)


def test_pictures_tell_what_they_know_and_come_in_small(ada: httpx2.Client, house: House) -> None:
    """type: image, many and max; the EXIF turns the picture and tells when and where it was taken."""
    one, two = uploaded(ada, picture(400, 200, exif=True), "a.jpg"), uploaded(ada, picture(form="PNG"), "b.png")
    assert one | {"id": 0, "sha256": 0, "size": 0} == {
        "id": 0, "sha256": 0, "size": 0, "name": "a.jpg", "type": "image/jpeg", "width": 200, "height": 400,
        "taken_at": "2026-02-28T14:30:00+08:00", "latitude": 31.230400, "longitude": 121.473700,
    }  # fmt: skip
    parcel = created(ada, photos=[one["id"], two["id"]])
    assert parcel["photos"] == [one, two]
    answer = ada.get(f"{PARCELS}/{parcel['id']}/files/photos?size=100")
    assert answer.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(answer.content)).size == (64, 128)
    kept = list((house.home / "files" / "acme").rglob(f"{one['sha256']}*"))
    assert {path.name.removeprefix(one["sha256"]) for path in kept} == {"", "-128.webp"}
    note = created(ada, note=uploaded(ada, PDF, "n.pdf")["id"])
    refused = ada.get(f"{PARCELS}/{note['id']}/files/note?size=64")
    assert (refused.status_code, refused.json()["code"]) == (422, "file.no_picture")


def test_a_list_of_files_is_changed_by_sending_what_stays(ada: httpx2.Client) -> None:
    one, two, three = (uploaded(ada, picture(n), f"{n}.jpg") for n in (10, 11, 12))
    parcel = created(ada, open=True, photos=[one["id"], two["id"]])
    address, match = f"{PARCELS}/{parcel['id']}", {"if-match": "*"}
    changed = ada.patch(address, headers=match, json={"photos": [parcel["photos"][1], three["id"]]})
    assert [file["id"] for file in changed.json()["photos"]] == [two["id"], three["id"]]
    assert faults(ada.patch(address, headers=match, json={"photos": []})) == {("record.required", "/photos")}
    entries = ada.get(f"{address}/history").json()["items"]
    assert entries[0]["changes"]["photos"] == [[one["id"], two["id"]], [two["id"], three["id"]]]
    # What was taken out is still in the record's field as far as rights go, and may come back for a day.
    assert ada.patch(address, headers=match, json={"photos": [one["id"]]}).status_code == 200


def test_fields_say_what_they_take(ada: httpx2.Client) -> None:
    """types and max_size are judged by the content, on the server."""
    large = uploaded(ada, PDF + b"x" * 1024, "large.pdf")["id"]
    sham = uploaded(ada, b"MZ\x90\x00" + b"\0" * 60, "sham.pdf")
    assert sham["type"] != "application/pdf"
    broken = uploaded(ada, picture()[:20] + b"\0" * 30, "broken.jpg")
    assert broken["type"] == "application/octet-stream"
    photos = [uploaded(ada, picture(n), f"{n}.jpg")["id"] for n in (1, 2, 3)]
    for row, wrong in (
        ({"note": large}, {("file.size", "/note")}),
        ({"note": sham["id"]}, {("file.type", "/note")}),
        ({"photos": [sham["id"]], "note": large}, {("file.type", "/photos"), ("file.size", "/note")}),
        ({"photos": [broken["id"]]}, {("file.type", "/photos")}),
        ({"photos": photos}, {("record.out_of_range", "/photos")}),
        ({"photos": photos[0]}, {("record.type", "/photos")}),
        ({"note": [large]}, {("record.type", "/note")}),
        ({"voice": photos[0]}, {("file.type", "/voice")}),
        ({"seal": "01890000-0000-7000-8000-000000000000"}, {("file.foreign", "/seal")}),
    ):
        assert faults(ada.post(PARCELS, json={"name": "p", **row})) == wrong, row
    told = {f["name"]: f for o in ada.get("/acme/api/meta").json()["objects"] if o["name"] == "parcel" for f in o["fields"]}
    assert told["note"]["types"] == ["application/pdf", "text/plain"] and told["note"]["max_size"] == 1024
    assert told["photos"]["many"] and told["photos"]["max"] == 2 and told["voice"]["types"][0] == "audio/*"


def test_recordings(ada: httpx2.Client) -> None:
    """type: audio takes what browsers record."""
    for content, name, type_ in (
        (b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 30, "a.wav", "audio/wav"),
        (b"\x1aE\xdf\xa3" + b"\0" * 40, "a.webm", "video/webm"),
        (b"\0\0\0\x20ftypM4A \0\0\0\0", "a.m4a", "audio/mp4"),
    ):
        file = uploaded(ada, content, name)
        assert file["type"] == type_
        assert created(ada, voice=file["id"])["voice"]["id"] == file["id"]


def test_a_recording_has_a_transcript(ada: httpx2.Client) -> None:
    one, two = (uploaded(ada, b"ID3\x04" + bytes(n), "v.mp3") for n in (20, 21))
    parcel = created(ada, voice={"id": one["id"], "transcript": "see you on Monday"})
    assert parcel["voice"] == {**one, "transcript": "see you on Monday"}
    found = ada.get(PARCELS, params={"where": 'CONTAINS(voice.transcript, "Monday")', "fields": "id"}).json()["items"]
    assert [row["id"] for row in found] == [parcel["id"]]
    address, match = f"{PARCELS}/{parcel['id']}", {"if-match": "*"}
    changed = ada.patch(address, headers=match, json={"voice": {"transcript": "see you on Tuesday"}}).json()["voice"]
    assert changed == {**one, "transcript": "see you on Tuesday"}
    # What was said in one recording is not what is said in another.
    assert ada.patch(address, headers=match, json={"voice": two["id"]}).json()["voice"] == {**two, "transcript": None}
    assert ada.patch(address, headers=match, json={"voice": None}).json()["voice"] is None


def test_rules_see_whether_a_file_is_there_and_the_same(ada: httpx2.Client) -> None:
    parcel = created(ada, seal=uploaded(ada, b"hello seal", "s.txt")["id"])
    address = f"{PARCELS}/{parcel['id']}"
    change = {"seal": uploaded(ada, b"other seal", "t.txt")["id"]}
    assert faults(ada.patch(address, headers={"if-match": "*"}, json=change)) == {("record.rule", "/seal")}
    found = ada.get(PARCELS, params={"where": "NOT ISBLANK(seal)", "fields": "id,seal", "limit": 200}).json()["items"]
    assert parcel["id"] in [row["id"] for row in found]
    outer = created(ada, inside=parcel["id"])
    assert ada.get(f"{PARCELS}/{outer['id']}?fields=inside.seal").json() == {"inside.seal": parcel["seal"]}
    assert ada.get(PARCELS, params={"order": "seal"}).status_code == 400


def test_files_are_as_private_as_their_record_and_field(ada: httpx2.Client, bob: httpx2.Client, house: House) -> None:
    mine = uploaded(ada, PDF, "secret.pdf")
    assert faults(bob.post(PARCELS, json={"name": "b", "note": mine["id"]})) == {("file.foreign", "/note")}
    parcel = created(ada, note=mine["id"], voice=uploaded(ada, b"ID3\x04" + b"\0" * 20, "v.mp3")["id"])
    # What is in one record can not be put into another one, or into another field, by anyone.
    assert faults(ada.post(PARCELS, json={"name": "c", "note": mine["id"]})) == {("file.foreign", "/note")}
    address = f"{PARCELS}/{parcel['id']}"
    assert faults(ada.patch(address, headers={"if-match": "*"}, json={"seal": mine["id"]})) == {("file.foreign", "/seal")}
    assert bob.get(f"{address}/files/note").json()["code"] == "file.unknown"
    ada.patch(address, headers={"if-match": "*"}, json={"open": True, "photos": [uploaded(ada, picture(), "p.jpg")["id"]]})
    assert bob.get(f"{address}/files/note").content == PDF
    for hidden in ("voice", "name", "nothing", f"note/{parcel['id']}", "note/x"):
        answer = bob.get(f"{address}/files/{hidden}")
        assert (answer.status_code, answer.json()["code"]) == (404, "file.unknown"), hidden
    other = house.client().post("/other/api/session", json={"login": "ada", "password": "correct horse battery"})
    stranger = house.client(other.json()["token"])
    assert stranger.get(f"/other/api/records/parcel/{parcel['id']}/files/note").status_code == 404
    assert house.client().post(FILES, params={"name": "x"}, content=b"x").status_code == 401


def test_a_file_is_put_into_one_place(ada: httpx2.Client) -> None:
    one = uploaded(ada, b"hello one", "one.txt")["id"]
    assert faults(ada.post(PARCELS, json={"name": "p", "note": one, "seal": one})) == {
        ("file.foreign", "/note"), ("file.foreign", "/seal"),
    }  # fmt: skip
    rows = [{"name": "a", "seal": one}, {"name": "b", "seal": one}, {"name": "c", "seal": None}]
    answer = ada.post(PARCELS, json=rows)
    assert {(error["code"], error["row"]) for error in answer.json()["errors"]} == {("file.foreign", 0), ("file.foreign", 1)}
    assert ada.post(PARCELS, json=rows[1:]).status_code == 201


def test_uploads_that_are_refused(ada: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.files.uploads.FILE_BYTES", 1000)
    for params, content, status in (
        ({"name": "a.txt"}, b"x" * 1001, 413), ({"name": "a.txt"}, b"", 400), ({}, b"x", 400), ({"name": "/ "}, b"x", 400),
        ({"name": "a", "folder": "b"}, b"x", 400),
    ):  # fmt: skip
        assert ada.post(FILES, params=params, content=content).status_code == status, params


def test_what_no_record_holds_is_collected_with_its_bytes(house: House, ada: httpx2.Client) -> None:
    unused, kept = uploaded(ada, b"unused " * 9, "u.txt"), uploaded(ada, b"kept " * 9, "k.txt")
    twice, dropped = uploaded(ada, b"kept " * 9, "again.txt"), uploaded(ada, picture(33), "d.jpg")
    parcel = created(ada, note=kept["id"], photos=[dropped["id"]])
    address = f"{PARCELS}/{parcel['id']}"
    ada.patch(address, headers={"if-match": "*"}, json={"photos": None})
    ada.delete(address, headers={"if-match": "*"})

    def bytes_of(file: dict[str, Any]) -> bool:
        return (house.home / "files" / "acme" / file["sha256"][:2] / file["sha256"]).exists()

    async def run(hours: int) -> int:
        async with running(Settings(database_url=house.database, home=house.home)) as rt:
            return await collect(rt, hours)

    assert asyncio.run(run(24)) == 0 and bytes_of(unused)
    late = "UPDATE t_acme._file SET touched_at = now() - interval '2 days' WHERE id = ANY($1::uuid[])"
    asyncio.run(sql(house.database, late, [file["id"] for file in (unused, kept, twice, dropped)]))
    assert asyncio.run(run(24)) == 3
    assert not bytes_of(unused) and not bytes_of(dropped) and bytes_of(kept)
    assert ada.post(f"{address}/restore").status_code == 200
    assert ada.get(f"{address}/files/note").content == b"kept " * 9
    asyncio.run(sql(house.database, "DELETE FROM t_acme.parcel WHERE id = $1", parcel["id"]))
    asyncio.run(sql(house.database, late, [kept["id"]]))
    assert asyncio.run(run(24)) == 1 and not bytes_of(kept)


async def test_bytes_may_lie_in_another_store(tmp_path: Path, house: House) -> None:
    """FIELDWRIGHT_FILES_URL names it."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    settings = Settings(database_url=house.database, files_url=f"file://{place}", home=tmp_path / "home")
    async with running(settings) as rt:
        release = await rt.store.release("acme")

        async def chunks() -> AsyncIterator[bytes]:
            yield b"some"
            yield b"where"

        file = await upload(rt, Context(OPERATOR, "acme", rt.clock.now()), release, "s.txt", chunks())
        kept = await get(rt, key("acme", file["sha256"]))
    assert kept == (place / "acme" / file["sha256"][:2] / file["sha256"]).read_bytes() == b"somewhere"
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("place", ["s4://x/y", "nonsense", "s3://bucket/folder"])
async def test_a_store_that_can_not_be_reached_is_told(
    tmp_path: Path, house: House, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place of no known kind, no place at all, and one where nobody listens."""
    cloud = {"ENDPOINT": "http://127.0.0.1:9", "ALLOW_HTTP": "true", "ACCESS_KEY_ID": "x", "REGION": "eu-west-1"}
    for name, value in (cloud | {"SECRET_ACCESS_KEY": "y"}).items():
        monkeypatch.setenv(f"AWS_{name}", value)
    settings = Settings(database_url=house.database, files_url=place, home=tmp_path / "home")
    async with running(settings) as rt:
        release = await rt.store.release("acme")

        async def chunks() -> AsyncIterator[bytes]:
            yield b"somewhere"

        with pytest.raises(Refused) as refused:
            await upload(rt, Context(OPERATOR, "acme", rt.clock.now()), release, "s.txt", chunks())
    assert (refused.value.code, refused.value.kind) == ("file.store", "unavailable")


@pytest.mark.parametrize(
    ("head", "name", "type_"),
    [
        (b"a,b\n1,2\n", "a.csv", "text/csv"),
        (b'{"a": 1}', "a.json", "application/json"),
        (b"hello there", "a.exe", "text/plain"),
        (b"\0\1\2\3" * 9, "a.txt", "application/octet-stream"),
        ("中文".encode(), "a.txt", "text/plain"),
    ],
)
def test_the_content_decides_the_type(head: bytes, name: str, type_: str) -> None:
    assert media_type(head, name) == type_


def test_a_picture_that_would_burst_is_never_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.files.contents.PIXELS", 100)
    content = picture(20, 20, "PNG")
    assert described(io.BytesIO(content), "image/png") == ("application/octet-stream", {})
    assert thumbnail(content, 64) is None
