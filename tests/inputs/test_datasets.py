"""Records to batches: TFOD's own eval input, classes, boxes, padding, readers, and what is refused."""

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from PIL import Image

from odtk.detectors.detector import BOX_FIELDS
from odtk.detectors.parts.resizer import build_resizer
from odtk.errors import ConfigError, DataError
from odtk.inputs import dataset
from odtk.inputs.bad_records import BadRecordFilter
from odtk.inputs.build import build_eval_dataset, build_fault_finder, build_train_dataset
from odtk.inputs.dataset import TRAINING_FEATURES
from odtk.inputs.epochs import Position
from odtk.inputs.record_errors import naming_the_record
from odtk.protos import image_resizer_pb2, pipeline_pb2

REFERENCE = Path(__file__).parents[2] / "../shared/reference"
LABEL_MAP = """
item { id: 1 name: 'cat' display_name: 'dog' }
item { id: 2 name: 'dog' display_name: 'Hound' }
item { id: 3 name: 'bird' }
"""
FIXED = "fixed_shape_resizer { height: 16 width: 32 }"


def picture(shade=100, size=(20, 10), form="PNG"):
    """Encoded bytes of a gray image of (width, height)."""
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(buffer, form)
    return buffer.getvalue()


def feature(values):
    if isinstance(values, (str, bytes)):
        values = [values]
    if all(isinstance(value, (str, bytes)) for value in values):
        encoded = [value.encode() if isinstance(value, str) else value for value in values]
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=encoded))
    if all(isinstance(value, int) for value in values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def an_example(boxes=(), text=None, label=None, **more):
    """A serialized Example; boxes yxyx, `more` by feature name with __ for /."""
    features = {"image/encoded": picture(), "image/source_id": "an_image"}
    for index, side in enumerate(("ymin", "xmin", "ymax", "xmax")):
        features[f"image/object/bbox/{side}"] = [float(box[index]) for box in boxes]
    if text is not None:
        features["image/object/class/text"] = list(text)
    if label is not None:
        features["image/object/class/label"] = list(label)
    features |= {name.replace("__", "/"): values for name, values in more.items()}
    named = {name: feature(values) for name, values in features.items() if values or name.endswith("source_id")}
    return tf.train.Example(features=tf.train.Features(feature=named)).SerializeToString()


def write(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return path


def a_config(folder, pattern="*.record", reader="", train="", labels=LABEL_MAP, evaluation=""):
    (folder / "labels.pbtxt").write_text(labels)
    paths = [pattern] if isinstance(pattern, str) else pattern
    inputs = " ".join(f'input_path: "{folder / path}"' for path in paths)
    label_map = f'label_map_path: "{folder / "labels.pbtxt"}"' if labels else ""
    reading = f"{{ {label_map} {reader} tf_record_input_reader {{ {inputs} }} }}"
    text = f"""train_config {{ batch_size: 2 {train} }} eval_config {{ {evaluation} }}
        train_input_reader {reading} eval_input_reader {reading}"""
    return text_format.Parse(text, pipeline_pb2.TrainEvalPipelineConfig())


def a_resize(text=FIXED):
    return build_resizer(text_format.Parse(text, image_resizer_pb2.ImageResizer()))


def evaluation_batches(config, resizer=FIXED, num_classes=3, **options):
    return list(build_eval_dataset(config, a_resize(resizer), num_classes, **options).as_numpy_iterator())


def groundtruth_of(folder, record, **options):
    """The groundtruth of one record, batch axis and padding removed."""
    write(folder / "one.record", [record])
    ((_, groundtruth),) = evaluation_batches(a_config(folder, "one.record", **options))
    count = groundtruth["num_boxes"][0]
    assert not groundtruth["weights"][0, count:].any()
    of_image = ("num_boxes", "labeled_classes")
    return {name: values[0, :count] for name, values in groundtruth.items() if name not in of_image}


def test_an_image_is_labeled_for_the_classes_that_its_record_names_or_for_all(tmp_path):
    named, expected = zip(
        ({}, [1, 1, 1]),
        ({"image__class__label": [3, 1]}, [1, 0, 1]),
        ({"image__class__text": ["Hound", "no class"], "image__class__label": [1, 1]}, [0, 1, 0]),
        ({"image__class__label": [4, 9]}, [1, 1, 1]),
        strict=True,
    )
    write(tmp_path / "a.record", [an_example(THREE, ["cat"] * 3, **features) for features in named])
    config = a_config(tmp_path, reader="shuffle: false num_epochs: 1", evaluation="batch_size: 1")
    training = build_train_dataset(config, a_resize(), 3, batch_size=1).as_numpy_iterator()
    for batches in (evaluation_batches(config), training):
        found = [groundtruth["labeled_classes"].tolist() for _, groundtruth in batches]
        assert found == [[classes] for classes in expected]


THREE = [(0.1, 0.1, 0.5, 0.5), (0.2, 0.2, 0.6, 0.6), (0.3, 0.3, 0.7, 0.7)]


@pytest.mark.parity(
    what="evaluation input of ten real photographs",
    against="pets_examples_eval_input.npz (reference folder)",
    tolerance="pixels 1e-3, boxes 1e-6",
)
def test_eval_input_is_tfods():
    record = REFERENCE / "pets_examples.record"
    if not record.exists():
        pytest.skip(f"{record} is not here")
    config = text_format.Parse(
        (REFERENCE / "ssd_resnet50_320.config").read_text(), pipeline_pb2.TrainEvalPipelineConfig()
    )
    reader = config.eval_input_reader[0]
    reader.label_map_path = str(REFERENCE / "pet_label_map.pbtxt")
    reader.tf_record_input_reader.input_path[:] = [str(record)]
    batches = build_eval_dataset(config, build_resizer(config.model.ssd.image_resizer), 37)
    pairs = list(batches.as_numpy_iterator())
    features, groundtruth = (
        {key: np.concatenate([pair[i][key] for pair in pairs]) for key in pairs[0][i]} for i in (0, 1)
    )

    golden = np.load(REFERENCE / "pets_examples_eval_input.npz")
    # TFOD's golden is what the network takes, after the mean is subtracted.
    images = features["image"] - np.float32([123.68, 116.779, 103.939])
    np.testing.assert_allclose(images[:, ::8, ::8], golden["image_every_8th"], atol=1e-3)
    np.testing.assert_allclose(images.mean((1, 2)), golden["image_mean"], atol=1e-3)
    np.testing.assert_allclose(images.std((1, 2)), golden["image_std"], atol=1e-3)
    np.testing.assert_array_equal(features["true_image_shape"], golden["true_image_shape"])
    np.testing.assert_array_equal(features["original_image_size"], golden["original_image_spatial_shape"])
    np.testing.assert_array_equal(groundtruth["num_boxes"], golden["num_groundtruth_boxes"])
    np.testing.assert_allclose(groundtruth["boxes"], golden["groundtruth_boxes"], atol=1e-6)
    for ours, name in (("weights", "weights"), ("area", "area"), ("is_crowd", "is_crowd"), ("difficult", "difficult")):
        np.testing.assert_array_equal(groundtruth[ours], golden[f"groundtruth_{name}"])
    one_hot = np.eye(37)[groundtruth["classes"]] * groundtruth["weights"][..., None]
    np.testing.assert_array_equal(one_hot, golden["groundtruth_classes"])


def test_classes_come_from_names_then_display_names(tmp_path):
    groundtruth = groundtruth_of(tmp_path, an_example(THREE, text=["dog", "Hound", "bird"], label=[3, 3, 1]))
    assert groundtruth["classes"].tolist() == [1, 1, 2]


def test_labels_count_only_without_text_or_label_map(tmp_path):
    record = an_example(THREE, label=[3, 1, 2])
    assert groundtruth_of(tmp_path, record)["classes"].tolist() == [2, 0, 1]
    record = an_example(THREE, text=["bird"] * 3, label=[3, 1, 2])
    assert groundtruth_of(tmp_path, record, labels="")["classes"].tolist() == [2, 0, 1]


def test_boxes_that_are_no_use_are_dropped_with_all_their_fields(tmp_path):
    boxes = [(np.nan, 0.1, 0.5, 0.5), *THREE]
    record = an_example(boxes, text=["cat", "unicorn", "dog", "cat"], image__object__area=[1.0, 2.0, 3.0, 4.0])
    groundtruth = groundtruth_of(tmp_path, record)
    np.testing.assert_allclose(groundtruth["boxes"], THREE[1:], atol=1e-6)
    assert groundtruth["classes"].tolist() == [1, 0]
    assert groundtruth["area"].tolist() == [3, 4]
    assert groundtruth_of(tmp_path, an_example(THREE, label=[0, 3, 4]))["classes"].tolist() == [2]


def test_a_nan_in_any_side_drops_a_box(tmp_path):
    broken = np.where(np.eye(4, dtype=bool), np.nan, [0.1, 0.1, 0.5, 0.5])  # a side in each
    write(tmp_path / "a.record", [an_example([box, THREE[1]], text=["cat", "dog"]) for box in broken])
    ((_, groundtruth),) = evaluation_batches(a_config(tmp_path, evaluation="batch_size: 4"))
    assert groundtruth["num_boxes"].tolist() == [1] * 4
    assert groundtruth["classes"][:, 0].tolist() == [1] * 4
    assert not groundtruth["weights"][:, 1:].any()


def test_boxes_without_area_stay_as_in_tfod(tmp_path):
    flat = [(0.5, 0.2, 0.5, 0.8), (0.1, 0.3, 0.9, 0.3)]
    groundtruth = groundtruth_of(tmp_path, an_example([*flat, THREE[0]], text=["cat", "dog", "bird"]))
    np.testing.assert_allclose(groundtruth["boxes"], [*flat, THREE[0]], atol=1e-6)
    assert groundtruth["classes"].tolist() == [0, 1, 2]
    assert groundtruth["weights"].tolist() == [1, 1, 1]


def test_what_pads_the_boxes_of_a_batch_is_zero_in_every_field(tmp_path):
    flags = {f"image__object__{name}": [1] * 3 for name in ("is_crowd", "difficult", "group_of")}
    full = an_example(THREE, text=["dog"] * 3, image__object__area=[5.0] * 3, **flags)
    write(tmp_path / "a.record", [full, an_example(), an_example(THREE[:1], text=["bird"])])
    config = a_config(tmp_path, reader="max_number_of_boxes: 4", evaluation="batch_size: 3")
    ((_, groundtruth),) = evaluation_batches(config)
    counts = groundtruth.pop("num_boxes")
    assert counts.tolist() == [3, 0, 1]
    assert groundtruth.pop("labeled_classes").shape == (3, 3)
    assert set(groundtruth) == {"boxes", "classes", "weights", "is_crowd", "difficult", "group_of", "area"}
    for name, values in groundtruth.items():
        assert values.shape[:2] == (3, 4), name
        assert not any(rows[count:].any() for rows, count in zip(values, counts, strict=True)), name
    assert groundtruth["is_crowd"][0].tolist() == [True, True, True, False]
    assert groundtruth["classes"][2].tolist() == [2, 0, 0, 0]


def test_optional_features_of_boxes(tmp_path):
    more = {
        "image__object__difficult": [0, 1, 0],
        "image__object__is_crowd": [1, 0, 0],
        "image__object__group_of": [0, 0, 1],
        "image__object__weight": [0.5, 1.0, 0.0],
        "image__object__area": [10.0, 20.0, 30.0],
        "image__object__mask": [picture()] * 3,
    }
    groundtruth = groundtruth_of(tmp_path, an_example(THREE, text=["cat"] * 3, **more))
    assert groundtruth["difficult"].tolist() == [False, True, False]
    assert groundtruth["is_crowd"].tolist() == [True, False, False]
    assert groundtruth["group_of"].tolist() == [False, False, True]
    assert groundtruth["weights"].tolist() == [0.5, 1, 0]
    assert groundtruth["area"].tolist() == [10, 20, 30]
    plain = groundtruth_of(tmp_path, an_example(THREE, text=["cat"] * 3))
    assert plain["weights"].tolist() == [1, 1, 1]
    assert not plain["area"].any()


def test_images_of_every_format_and_without_boxes(tmp_path):
    forms = ("JPEG", "PNG", "GIF", "BMP")
    write(tmp_path / "a.record", [an_example(image__encoded=picture(100, form=form)) for form in forms])
    batches = evaluation_batches(a_config(tmp_path, evaluation="batch_size: 1"))
    for form, (features, groundtruth) in zip(forms, batches, strict=True):
        np.testing.assert_allclose(features["image"], np.full((1, 16, 32, 3), 100), atol=1, err_msg=form)
        assert features["original_image_size"].tolist() == [[10, 20]], form
        assert groundtruth["num_boxes"].tolist() == [0], form
        assert groundtruth["boxes"].shape == (1, 100, 4), form


def test_boxes_follow_the_image_into_the_padded_frame(tmp_path):
    write(tmp_path / "a.record", [an_example([(0.0, 0.5, 1.0, 1.0)], text=["cat"])])
    resizer = "keep_aspect_ratio_resizer { min_dimension: 20 max_dimension: 40 pad_to_max_dimension: true }"
    ((features, groundtruth),) = evaluation_batches(a_config(tmp_path), resizer)
    assert features["true_image_shape"].tolist() == [[20, 40, 3]]
    assert features["image"].shape == (1, 40, 40, 3)
    np.testing.assert_allclose(groundtruth["boxes"][0, 0], [0.0, 0.5, 0.5, 1.0], atol=1e-6)


@pytest.mark.parametrize(
    ("reader", "train", "count"),
    [("", "", 100), ("max_number_of_boxes: 2", "max_number_of_boxes: 5", 2), ("", "max_number_of_boxes: 5", 5)],
)
def test_max_number_of_boxes_pads_and_cuts(tmp_path, reader, train, count):
    write(tmp_path / "a.record", [an_example(THREE, text=["cat", "dog", "bird"])])
    config = a_config(tmp_path, reader=reader, train=train)
    _, groundtruth = next(build_train_dataset(config, a_resize(), 3).as_numpy_iterator())
    kept = min(count, 3)
    assert groundtruth["boxes"].shape == (2, count, 4)
    assert groundtruth["num_boxes"].tolist() == [kept, kept]
    assert groundtruth["classes"][0, :kept].tolist() == [0, 1, 2][:kept]
    assert groundtruth["weights"].sum(1).tolist() == [kept, kept]


def test_names_of_images_fall_back(tmp_path):
    records = [
        an_example(image__filename="file.jpg"),
        an_example(image__source_id="", image__filename="file.jpg"),
        an_example(image__source_id="", image__key__sha256="abc"),
        an_example(image__source_id=""),
        an_example(image__source_id="", image__encoded=picture(7)),
    ]
    write(tmp_path / "a.record", records)
    names = [features["source_id"][0].decode() for features, _ in evaluation_batches(a_config(tmp_path))]
    assert names[:3] == ["an_image", "file.jpg", "abc"]
    assert names[3] != names[4]


def numbered(count, start=0):
    return [an_example(image__source_id=str(index)) for index in range(start, start + count)]


def ids(batches):
    return [int(name) for features, _ in batches for name in features["source_id"]]


def test_evaluation_is_one_pass_in_order_with_the_remainder(tmp_path):
    for shard in range(3):
        write(tmp_path / f"x.record-{shard:05d}-of-00003", numbered(3, 3 * shard))
    config = a_config(tmp_path, "x.record-?????-of-00003", evaluation="batch_size: 4")
    batches = evaluation_batches(config)
    assert [len(features["image"]) for features, _ in batches] == [4, 4, 1]
    assert ids(batches) == list(range(9))
    config.eval_input_reader[0].sample_1_of_n_examples = 4
    assert ids(evaluation_batches(config, batch_size=1)) == [0, 4, 8]


def test_several_patterns_are_read_one_after_another(tmp_path):
    write(tmp_path / "b-1.record", numbered(2, 4))
    write(tmp_path / "b-0.record", numbered(2, 2))
    write(tmp_path / "a.record", numbered(2, 6))
    write(tmp_path / "z.record", numbered(2))
    config = a_config(tmp_path, ["z.record", "b-?.record", "a*"])
    assert ids(evaluation_batches(config)) == list(range(8))
    config.eval_input_reader[0].sample_1_of_n_examples = 3  # over all files, not of each
    assert ids(evaluation_batches(config)) == [0, 3, 6]


def test_images_of_several_sizes_need_batches_of_one(tmp_path):
    write(tmp_path / "a.record", [an_example(), an_example(image__encoded=picture(size=(10, 20)))])
    resizer = "keep_aspect_ratio_resizer { min_dimension: 20 max_dimension: 40 }"
    shapes = [features["image"].shape for features, _ in evaluation_batches(a_config(tmp_path), resizer)]
    assert shapes == [(1, 20, 40, 3), (1, 40, 20, 3)]
    with pytest.raises(ConfigError, match=r"train_config.batch_size makes batches of 2.*pad_to_max_dimension"):
        build_train_dataset(a_config(tmp_path), a_resize(resizer), 3)


def training_ids(config, count, **options):
    batches = build_train_dataset(config, a_resize(), 3, **options).take(count).as_numpy_iterator()
    return ids(batches)


def test_training_shuffles_repeats_and_obeys_the_seed(tmp_path):
    write(tmp_path / "a.record", numbered(6))
    write(tmp_path / "b.record", numbered(6, 6))
    config = a_config(tmp_path, ["a.record", "b.record"])
    first = training_ids(config, 12, batch_size=3, seed=5)
    assert len(first) == 36
    assert first != sorted(first)
    assert first == training_ids(config, 12, batch_size=3, seed=5)
    assert first != training_ids(config, 12, batch_size=3, seed=6)
    once = a_config(tmp_path, reader="num_epochs: 2")
    assert len(training_ids(once, 100, batch_size=5)) == 20  # 24 examples, the remainder dropped
    assert sorted(training_ids(once, 100, batch_size=4)) == sorted([*range(12)] * 2)


def test_batches_have_the_entries_that_are_asked_for(tmp_path):
    write(tmp_path / "a.record", numbered(6))
    config = a_config(tmp_path)
    whole, lean = (
        next(build_train_dataset(config, a_resize(), 3, seed=5, entries=entries).as_numpy_iterator())
        for entries in (None, (*TRAINING_FEATURES, *BOX_FIELDS))
    )
    assert [list(part) for part in lean] == [
        ["image", "true_image_shape", "place", "position"],
        ["boxes", "classes", "weights", "num_boxes"],
    ]
    for ours, other in zip(lean, whole, strict=True):
        assert set(ours) < set(other)
        for name, value in ours.items():
            np.testing.assert_array_equal(value, other[name], err_msg=name)


def test_augmented_training_repeats_with_the_seed(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    write(tmp_path / "a.record", [an_example(THREE, text=["cat"] * 3, image__encoded=buffer.getvalue())] * 8)
    options = (
        "data_augmentation_options { random_horizontal_flip {} } data_augmentation_options { random_crop_image {} }"
    )
    config = a_config(tmp_path, train=options)
    runs = [
        [
            features["image"]
            for features, _ in build_train_dataset(config, a_resize(), 3, seed=3).take(8).as_numpy_iterator()
        ]
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*runs)
    images = np.concatenate(runs[0])
    assert len(np.unique(images, axis=0)) == 16  # every draw is another


def test_readers_interleave_in_blocks(tmp_path):
    for shard in range(3):
        write(tmp_path / f"{shard}.record", numbered(4, 4 * shard))
    config = a_config(tmp_path, reader="shuffle: false num_readers: 2 read_block_length: 2 num_epochs: 1")
    assert training_ids(config, 6, seed=1) == [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 10, 11]
    config.train_input_reader.sample_1_of_n_examples = 3
    assert training_ids(config, 6, batch_size=1, seed=1) == [0, 5, 6, 9]


def test_shuffling_goes_by_file_and_by_record(tmp_path):
    for shard in range(8):
        write(tmp_path / f"{shard}.record", numbered(3, 3 * shard))
    one_file_at_a_time = "num_epochs: 1 num_readers: 1 drop_remainder: false"

    def order(reader):
        found = training_ids(a_config(tmp_path, reader=f"{one_file_at_a_time} {reader}"), 100, batch_size=5, seed=2)
        assert sorted(found) == list(range(24))  # nothing lost, nothing twice, the short last batch included
        return found

    assert order("shuffle: false") == list(range(24))
    assert order("filenames_shuffle_buffer_size: 1 shuffle_buffer_size: 1") == list(range(24))
    files_only = np.reshape(order("shuffle_buffer_size: 1"), [8, 3])
    assert (np.diff(files_only) == 1).all()
    assert files_only[:, 0].tolist() != list(range(0, 24, 3))
    # A buffer of 4 records lets none come more than 3 places early.
    nearby = order("filenames_shuffle_buffer_size: 1 shuffle_buffer_size: 4")
    assert nearby != list(range(24))
    assert all(number <= place + 3 for place, number in enumerate(nearby))


def test_input_pipelines_share_each_batch_out(tmp_path):
    """The batches are those of one pipeline: so no record comes twice in an epoch, and none is left out."""
    for number, size in enumerate([1, 11, 3]):
        write(tmp_path / f"{number}.record", numbered(size, [0, 1, 12][number]))
    config = a_config(tmp_path, reader="num_epochs: 2 drop_remainder: false")

    def batches_of(count: int, start: Position) -> list[list[tuple[int, str, bytes]]]:
        parts = []
        for index in range(count):
            context = tf.distribute.InputContext(count, index, num_replicas_in_sync=count)
            options = {"batch_size": 2 * count, "seed": 1, "input_context": context, "start": start}
            parts.append(list(build_train_dataset(config, a_resize(), 3, **options).as_numpy_iterator()))
        return [sorted(_examples(batches)) for batches in itertools.zip_longest(*parts)]

    whole = batches_of(1, Position())
    expected = sorted(itertools.chain.from_iterable(whole))
    epochs = [[name for position, name, _ in expected if position >> 40 == epoch] for epoch in range(2)]
    assert [sorted(map(int, names)) for names in epochs] == [list(range(15))] * 2
    assert epochs[0] != epochs[1]
    for count in (2, 5):
        batches = batches_of(count, Position())
        # Also the pixels: an example is augmented as by one pipeline.
        assert sorted(itertools.chain.from_iterable(batches)) == expected
        assert batches[0] == expected[: 2 * count]
        if count == 2:
            assert batches_of(2, Position.after(batches[1][-1][0])) == batches[2:]


def _examples(batches) -> list[tuple[int, str, bytes]]:
    """(position, source_id, pixels) of the examples of a step's batches."""
    found = []
    for features, _ in filter(None, batches):
        columns = features["position"].tolist(), features["source_id"], features["image"]
        found += [(position, name.decode(), image.tobytes()) for position, name, image in zip(*columns, strict=True)]
    return found


def test_a_pipeline_leaves_its_own_bad_records_out(tmp_path):
    broken = numbered(7)
    broken[2] = an_example(image__encoded=b"no image")
    write(tmp_path / "0.record", broken)
    config = a_config(tmp_path, reader="num_epochs: 1 drop_remainder: false shuffle: false")
    for index, read in enumerate([[0, 4, 6], [1, 3, 5]]):
        context = tf.distribute.InputContext(num_input_pipelines=2, input_pipeline_id=index, num_replicas_in_sync=4)
        options = {"batch_size": 12, "seed": 1, "record_filter": BadRecordFilter(1), "input_context": context}
        batches = list(build_train_dataset(config, a_resize(), 3, **options).as_numpy_iterator())
        assert sorted(ids(batches)) == read


def test_a_batch_that_replicas_cannot_share_is_refused(tmp_path):
    write(tmp_path / "a.record", numbered(4))
    with pytest.raises(ConfigError, match=r"batch_size is 2, which 4 devices cannot share evenly\. .* multiple of 4"):
        training_ids(a_config(tmp_path), 1, input_context=tf.distribute.InputContext(num_replicas_in_sync=4))


def test_images_without_boxes_train_through_every_stage(tmp_path):
    write(tmp_path / "a.record", [an_example()])
    options = ("random_horizontal_flip", "random_crop_image", "ssd_random_crop", "random_crop_pad_image")
    steps = " ".join(f"data_augmentation_options {{ {name} {{}} }}" for name in options)
    ((features, groundtruth),) = build_train_dataset(
        a_config(tmp_path, train=steps), a_resize(), 3, batch_size=4, seed=0
    ).take(1)
    assert features["image"].shape == (4, 16, 32, 3)
    assert groundtruth["num_boxes"].numpy().tolist() == [0] * 4
    assert not groundtruth["weights"].numpy().any()


def test_weighted_inputs(tmp_path):
    write(tmp_path / "a.record", numbered(4))
    write(tmp_path / "b.record", numbered(4, 10))
    weights = "sample_from_datasets_weights: 0.9 sample_from_datasets_weights: 0.1"
    drawn = training_ids(a_config(tmp_path, ["a.record", "b.record"], reader=weights), 100, batch_size=4, seed=1)
    share = np.mean(np.array(drawn) < 10)
    assert abs(share - 0.9) < 4 * np.sqrt(0.09 / 400)
    config = a_config(tmp_path, ["a.record", "b.record"], reader="sample_from_datasets_weights: 1")
    with pytest.raises(ConfigError, match="1 values for 2 input_path"):
        training_ids(config, 1)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match=r"No record file matches .*/none-\*"):
        build_train_dataset(a_config(tmp_path, "none-*"), a_resize(), 3)
    (tmp_path / "empty.record").write_bytes(b"")
    with pytest.raises(DataError, match=r"empty\.record are empty"):
        build_eval_dataset(a_config(tmp_path, "empty.record"), a_resize(), 3)
    with pytest.raises(ConfigError, match=r"train_input_reader\.tf_record_input_reader has no input_path"):
        build_train_dataset(a_config(tmp_path, []), a_resize(), 3)


def test_a_missing_shard_is_named_where_the_pattern_asks_for_it(tmp_path):
    for shard in (0, 1, 3):
        write(tmp_path / f"x.record-{shard:05d}-of-00004", numbered(1))
    with pytest.raises(DataError, match=r"x\.record-00002-of-00004"):
        dataset.find_files([str(tmp_path / "x.record-?????-of-00004")])
    (files,) = dataset.find_files([str(tmp_path / "x.record-0000[01]-of-00004")])
    assert len(files) == 2


def test_lists_of_different_length_raise(tmp_path):
    write(tmp_path / "a.record", [an_example(THREE, text=["cat"])])
    with pytest.raises(tf.errors.InvalidArgumentError, match="differ in length"):
        evaluation_batches(a_config(tmp_path))


@pytest.mark.parametrize(
    ("bad", "cause"),
    [
        (an_example(image__source_id="the_bad_one", image__encoded=b"\xff\xd8\xff no picture"), "the_bad_one"),
        (an_example(THREE, text=["cat"], image__source_id="the_bad_one"), "the_bad_one.*differ in length"),
        (b"no Example", " cannot be used: Could not parse"),
        (b"\xff\xfe no Example, nor text", " cannot be used: Could not parse"),
    ],
    # Not the bytes: the order of features in an Example differs between the processes that share the tests.
    ids=["no picture", "lists differ", "no Example", "no text"],
)
def test_a_bad_record_is_named(tmp_path, bad, cause):
    write(tmp_path / "a.record", numbered(2))
    write(tmp_path / "b.record", [*numbered(2), bad, *numbered(2)])
    config = a_config(tmp_path, reader="num_epochs: 1")
    with (
        pytest.raises(DataError, match=rf"b\.record, record 2.*{cause}"),
        naming_the_record(build_fault_finder(config.train_input_reader, 3)),
    ):
        training_ids(config, 10)


def test_a_damaged_shard_is_named_and_other_errors_pass(tmp_path):
    path = write(tmp_path / "a.record", numbered(4))
    config = a_config(tmp_path)
    finder = build_fault_finder(config.eval_input_reader[0], 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="another matter"), naming_the_record(finder):
        raise tf.errors.InvalidArgumentError(None, None, "another matter")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"a\.record"), naming_the_record(finder):
        evaluation_batches(config)


def test_options_that_are_not_implemented_are_refused_before_reading(tmp_path):
    config = a_config(tmp_path, "none-*", train="data_augmentation_options { autoaugment_image {} }")
    with pytest.raises(ConfigError, match="autoaugment_image"):
        build_train_dataset(config, a_resize(), 3)


def test_values_that_cannot_be_used_are_refused_in_our_words(tmp_path):
    write(tmp_path / "a.record", numbered(1))
    config = a_config(tmp_path, train="data_augmentation_options { random_distort_color { color_ordering: 3 } }")
    with pytest.raises(ConfigError, match=r"^random_distort_color\.color_ordering is 3; it must be 0 or 1\.$"):
        build_train_dataset(config, a_resize(), 3)
