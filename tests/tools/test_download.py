"""`odtk download`: from a server of this process into a folder, and what is there already."""

import hashlib
import io
import json
import re
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from file_server import file_server, status

from odtk import pipeline
from odtk.checkpoints.files import is_index
from odtk.cli.main import cli
from odtk.detectors import families
from odtk.errors import ConfigError, DownloadError, OdtkError, OutputError
from odtk.tools import download as tool
from odtk.tools.configure import configure
from odtk.tools.download import catalog, download
from odtk.tools.download.catalog import Archive
from odtk.tools.zoo_checkpoints import zoo_checkpoints

CONFIGS = Path(__file__).parents[2] / "../shared/reference/tfod2_configs"
MODEL = "ssd_mobilenet_v2_320x320_coco17_tpu-8"
MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
CHECKPOINT = {
    "ckpt-0.index": b"_CHECKPOINTABLE_OBJECT_GRAPH" + MAGIC,
    "ckpt-0.data-00000-of-00001": b"weights",
    "checkpoint": b"",
}


def archive(files, mode="w:gz"):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=mode) as made:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return held.getvalue()


ARCHIVES = {
    "images.tar.gz": archive({"images/Abyssinian_1.jpg": bytes(range(256)), "images/beagle_1.jpg": b"dog"}),
    "annotations.tar.gz": archive({"annotations/trainval.txt": b"list", "annotations/xmls/beagle_1.xml": b"<xml/>"}),
    f"{MODEL}.tar.gz": archive(
        {f"{MODEL}/checkpoint/{name}": content for name, content in CHECKPOINT.items()}
        | {f"{MODEL}/pipeline.config": b"model {}", f"{MODEL}/saved_model/saved_model.pb": b"graph"}
    ),
}


@pytest.fixture(scope="module")
def running():
    with file_server() as server:
        yield server


@pytest.fixture
def server(running, monkeypatch, tmp_path):
    """A server that has all archives, and is the only address of them; the working folder is empty."""
    running.files = dict(ARCHIVES)
    running.plans.clear()
    running.requests.clear()
    pets = tuple(
        Archive(f"{name}.tar.gz", name, (running.url(f"{name}.tar.gz"),), mark, sum_of(f"{name}.tar.gz"), size)
        for name, mark, size in (
            ("images", "Abyssinian_1.jpg", len(ARCHIVES["images.tar.gz"])),
            ("annotations", "trainval.txt", len(ARCHIVES["annotations.tar.gz"])),
        )
    )
    monkeypatch.setattr(catalog, "pets", lambda: pets)
    known = dict(catalog._table(), zoo_addresses=[running.url("{name}.tar.gz")])
    monkeypatch.setattr(catalog, "_table", lambda: known)
    catalog.models.cache_clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(tool.MIRROR_VARIABLE, raising=False)
    yield running
    catalog.models.cache_clear()


def sum_of(name):
    return hashlib.sha256(ARCHIVES[name]).hexdigest()


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


PETS = ["annotations/trainval.txt", "annotations/xmls/beagle_1.xml", "images/Abyssinian_1.jpg", "images/beagle_1.jpg"]


def test_the_pets(server):
    report = download("pets")
    assert files_in("petdata") == PETS
    assert [part.is_verified for part in report.parts] == [True, True]
    assert report.next_command == "odtk make-tfrecords petdata petdata/tfrecords"
    assert all(part.was_here for part in download("pets").parts)
    assert len(server.requests) == 2


def test_a_model(server):
    said = []
    report = download(MODEL, dir="zoo", log=said.append)
    assert report.checkpoint == f"zoo/{MODEL}/checkpoint/ckpt-0"
    assert is_index(Path(f"{report.checkpoint}.index").read_bytes())
    assert files_in("zoo")[-1] == f"{MODEL}/saved_model/saved_model.pb"
    (part,) = report.parts
    assert (part.is_verified, part.sha256) == (False, sum_of(f"{MODEL}.tar.gz"))
    assert said == [f"note: no checksum known for {MODEL}.tar.gz as it is here; its SHA-256 is {part.sha256}."]
    assert report.next_command.startswith("odtk configure ssd_mobilenet_v2_320x320_pets --output my.config")
    assert report.next_command.endswith(f"--fine-tune-checkpoint {report.checkpoint}")


def test_a_name_may_end_before_coco17_and_a_wrong_one_is_answered_with_the_nearest(server):
    assert download("ssd_mobilenet_v2_320x320").name == MODEL
    with pytest.raises(DownloadError, match=f"no 'sd_mobilenet_v2_320x320_coco17_tpu-8' .* mean {MODEL}"):
        download(f"sd{MODEL[3:]}")


def test_mirrors_come_first(server, monkeypatch):
    server.files |= {f"mirror/{MODEL}.tar.gz": ARCHIVES[f"{MODEL}.tar.gz"]}
    assert download(MODEL, mirror=server.url("mirror/")).parts[0].address == server.url(f"mirror/{MODEL}.tar.gz")
    monkeypatch.setenv(tool.MIRROR_VARIABLE, server.url("absent"))
    whole = server.url(f"mirror/{MODEL}.tar.gz")
    report = download(MODEL, mirror=["http://127.0.0.1:9", whole][1:], overwrite=True)
    assert report.parts[0].address == whole
    # The variable's mirror does not have it, and the known address is asked.
    assert download(MODEL, dir="b").parts[0].address == server.url(f"{MODEL}.tar.gz")
    assert server.requests[-2:] == [(f"absent/{MODEL}.tar.gz", None), (f"{MODEL}.tar.gz", None)]
    with pytest.raises(DownloadError, match="'files' is no address") as error:
        download(MODEL, dir="c", mirror="files")
    assert error.value.argument == "mirror"


def test_given_files_are_found_out_by_what_is_in_them(server, tmp_path):
    for number, name in enumerate(("images.tar.gz", "annotations.tar.gz")):
        (tmp_path / f"download ({number})").write_bytes(ARCHIVES[name])
    report = download("pets", dir="p", from_files=["download (1)", "download (0)"])
    assert files_in("p") == PETS
    assert [part.is_verified for part in report.parts] == [True, True]
    assert (server.requests, (tmp_path / "download (0)").exists()) == ([], True)


def test_a_given_file_that_a_browser_unpacked_is_taken_without_its_checksum(server, tmp_path):
    (tmp_path / "images.tar.gz").write_bytes(archive({"images/Abyssinian_1.jpg": b"cat"}, "w"))
    report = download("pets", from_files="images.tar.gz")
    assert {part.archive: part.is_verified for part in report.parts} == {
        "images.tar.gz": False, "annotations.tar.gz": True
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["absent"], "absent is not a file"),
        (["other.tar"], r"other\.tar is none of these: images\.tar\.gz and annotations\.tar\.gz"),
        (["images.tar.gz", "images.tar.gz"], "is a second one of these"),
    ],
)
def test_given_files_that_are_not_the_pets(server, tmp_path, given, words):
    (tmp_path / "other.tar").write_bytes(archive({"x/y": b""}))
    (tmp_path / "images.tar.gz").write_bytes(ARCHIVES["images.tar.gz"])
    with pytest.raises(OdtkError, match=words) as error:
        download("pets", from_files=given)
    assert error.value.argument == "from_files"


def test_a_given_file_with_other_bytes(server, tmp_path):
    (tmp_path / "images.tar.gz").write_bytes(archive({"images/Abyssinian_1.jpg": b"another"}))
    with pytest.raises(
        DownloadError, match=r"images\.tar\.gz has [0-9]+ bytes, where [0-9]+ are expected\. Get it again"
    ):
        download("pets", from_files=["images.tar.gz"])


def test_what_is_there_already_and_is_something_else_stays(server, tmp_path):
    (tmp_path / "petdata/images").mkdir(parents=True)
    (tmp_path / "petdata/images/mine.jpg").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"images is there, and is not what images\.tar\.gz holds") as error:
        download("pets", overwrite=True)
    assert error.value.argument == "dir"
    assert (tmp_path / "petdata/images/mine.jpg").exists()


def test_overwrite_replaces_what_was_downloaded(server, tmp_path):
    download(MODEL)
    (tmp_path / MODEL / "pipeline.config").write_text("changed")
    download(MODEL)
    assert (tmp_path / MODEL / "pipeline.config").read_text() == "changed"
    download(MODEL, overwrite=True, keep_archive=True)
    assert (tmp_path / MODEL / "pipeline.config").read_text() == "model {}"
    assert (tmp_path / f"{MODEL}.tar.gz").exists()


def test_overwrite_replaces_nothing_that_was_put_there_later(server, tmp_path):
    download("pets")
    (tmp_path / "petdata/images/mine.jpg").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"images holds mine\.jpg, which odtk did not write there"):
        download("pets", overwrite=True)
    assert files_in("petdata/images") == ["Abyssinian_1.jpg", "beagle_1.jpg", "mine.jpg"]


@pytest.mark.parametrize(
    "content", [archive({"x/y": b"1"}), ARCHIVES[f"{MODEL}.tar.gz"][:-60]], ids=["something else", "damaged"]
)
def test_an_archive_of_something_else_or_a_damaged_one_leaves_nothing(server, tmp_path, content):
    server.files[f"{MODEL}.tar.gz"] = content
    with pytest.raises(DownloadError, match=r"is not ssd_|is damaged|neither a tar"):
        download(MODEL)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_was_here_already_is_unpacked_and_stays(server, tmp_path):
    kept, said = tmp_path / f"{MODEL}.tar.gz", []
    kept.write_bytes(ARCHIVES[kept.name])
    for overwrite in (False, True):
        (part,) = download(MODEL, overwrite=overwrite, log=said.append).parts
        assert (part.address, part.was_here) == (None, False)
        assert kept.read_bytes() == ARCHIVES[kept.name]
    assert server.requests == []
    assert said[0] == f"note: {kept.name} was here already: it is unpacked, nothing is downloaded, and it stays."


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (archive({"x/y": b"1"}), "is not ssd_mobilenet.*: there is no checkpoint"),
        (ARCHIVES[f"{MODEL}.tar.gz"][:-60], "is damaged"),
        (b"my notes", "is there already, but is neither a tar nor a zip"),
    ],
    ids=["another archive", "a damaged one", "no archive"],
)
def test_what_lies_under_an_archives_name_and_cannot_be_used_stays(server, tmp_path, content, words):
    mine = tmp_path / f"{MODEL}.tar.gz"
    mine.write_bytes(content)
    with pytest.raises(DownloadError, match=f"(?s){words}.*[Rr]emove it"):
        download(MODEL)
    assert (mine.read_bytes(), [path.name for path in tmp_path.iterdir()]) == (content, [mine.name])


def test_a_forbidden_bucket_is_said_with_the_ways_out(server):
    server.plans["images.tar.gz"] = [status(403)]
    done = CliRunner().invoke(cli, ["download", "pets"])
    assert done.exit_code == 1
    assert f"{server.url('images.tar.gz')}: it answers 403 Forbidden" in done.stderr
    assert "name a mirror" in done.stderr
    # What came before is not lost.
    assert files_in("petdata") == PETS[:2]


def test_the_command_line(server):
    done = CliRunner().invoke(cli, ["download", MODEL, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["checkpoint"] == f"{MODEL}/checkpoint/ckpt-0"
    done = CliRunner().invoke(cli, ["download", "pets"])
    assert "petdata/images: images.tar.gz (" in done.stdout
    assert ", checksum verified.\n" in done.stdout
    assert done.stdout.endswith("Next: odtk make-tfrecords petdata petdata/tfrecords\n")


def test_the_list():
    done = CliRunner().invoke(cli, ["download", "list", "--json"])
    models = {each["name"]: each for each in json.loads(done.stdout)}
    assert len(models) == 42
    retinanet = models["ssd_resnet50_v1_fpn_640x640_coco17_tpu-8"]
    assert (retinanet["coco_map"], retinanet["milliseconds"], retinanet["trainable"]) == ("34.3", 46, True)
    assert retinanet["pipelines"] == ["ssd_resnet50_v1_fpn_640x640_pets"]
    # Nothing that is not known is made up.
    assert {each["sha256"] for each in models.values()} == {None}
    untrained = {name for name, each in models.items() if not each["trainable"]}
    assert {re.sub(r"_\d+x\d+.*", "", name) for name in untrained if "kpts" not in name} == {
        "mask_rcnn_inception_resnet_v2",
        "extremenet",
    }
    assert {name for name in models if "kpts" in name} <= untrained
    text = CliRunner().invoke(cli, ["download", "list"]).stdout
    assert re.search(
        r"efficientdet_d0_coco17_tpu-32 +33\.6 +39 +Boxes +yes +20200711 +ssd_efficientdet_d0_512x512_pets", text
    )


def test_the_list_says_where_everything_is_from():
    text = CliRunner().invoke(cli, ["download", "list"]).stdout
    shown = re.findall(r"^  (https://\S+MODEL\S+)$", text, re.MULTILINE)
    for model in catalog.models().values():
        found = [each.replace("DATE", model.date).replace("MODEL", model.name) for each in shown]
        assert found == list(model.archive.addresses)
        assert re.search(rf"^{re.escape(model.name)} .* {model.date} ", text, re.MULTILINE)
    for archive in catalog.pets():
        for address in archive.addresses:
            assert f"    {address}\n" in text
        assert f"SHA-256 {archive.sha256})" in text


def test_every_checkpoint_of_a_shipped_pipeline_can_be_downloaded():
    for checkpoint in zoo_checkpoints().values():
        assert catalog.find_model(checkpoint.model).trainable, checkpoint


def test_types_are_those_of_the_zoos_configs():
    if not CONFIGS.is_dir():
        pytest.skip("the zoo's configs are not here")
    compared = 0
    for row in catalog._table()["models"]:
        name = row["name"].replace("_hg104_", "_hourglass104_")
        path = next(
            iter([*CONFIGS.glob(f"{name}.config"), *CONFIGS.glob(f"ssd_{name.partition('_coco17')[0]}_*")]), None
        )
        if path is None or "resnet101_v1_fpn_512" in name:  # whose config contradicts its own name
            continue
        config = pipeline.read(path)
        assert (families.type_of(config.model), config.model.WhichOneof("model")) == (row["type"], row["kind"]), path
        compared += 1
    assert compared >= 30


def test_addresses_of_the_pets_are_those_of_oxford():
    for each in catalog.pets():
        assert all(re.match(r"https://(www|thor)\.robots\.ox\.ac\.uk/", address) for address in each.addresses)
        assert len(each.sha256) == 64


def test_what_has_no_checksum_has_encrypted_addresses():
    for model in catalog.models().values():
        assert model.archive.sha256 or all(each.startswith("https://") for each in model.archive.addresses)


def test_configure_downloads_what_a_shipped_pipeline_is_made_for(server):
    said = []
    report = configure("ssd_mobilenet_v2_320x320_pets", "my.config", fine_tune=True, log=said.append)
    train = pipeline.read("my.config").train_config
    assert train.fine_tune_checkpoint == str(Path(MODEL, "checkpoint/ckpt-0").absolute())
    assert train.fine_tune_checkpoint_type == "detection"
    assert not [each for each in report.findings if each.path == "train_config.fine_tune_checkpoint"]
    assert len(server.requests) == 1
    # The next one finds it here; a config that was written from it still says which model it is of.
    configure("my.config", "other.config", fine_tune=True)
    assert len(server.requests) == 1
    configure("my.config", "other.config", fine_tune=True, download_dir="zoo", overwrite=True)
    assert pipeline.read("other.config").train_config.fine_tune_checkpoint.endswith(f"/zoo/{MODEL}/checkpoint/ckpt-0")


def test_configure_downloads_nothing_it_was_not_told_to(server):
    report = configure("ssd_mobilenet_v2_320x320_pets", "my.config")
    fixes = {each.path: each.fix for each in report.findings}
    fix = "odtk configure my.config --output my.config --fine-tune"
    assert fixes["train_config.fine_tune_checkpoint"] == fix
    with pytest.raises(ConfigError, match="Give one of the two") as error:
        configure("my.config", "b.config", fine_tune=True, fine_tune_checkpoint="x/ckpt-0")
    assert error.value.argument == "fine_tune_checkpoint"
    with pytest.raises(ConfigError, match=f"made for.*The zoo has {MODEL}, of the same type"):
        configure("ssd_mobilenet_v2_small", "b.config", fine_tune=True)
    done = CliRunner().invoke(cli, ["configure", "my.config", "--check", "--fine-tune"])
    assert "--fine-tune needs --output FILE" in done.stderr
    assert (server.requests, Path("b.config").exists()) == ([], False)
