"""The small pipelines, trained on the demo's pets, for slow tests: minutes each. See fixture trained_small_model."""

import functools
from pathlib import Path

from odtk.tools import synthetic_pets
from odtk.tools.configure import configure
from odtk.tools.demo import NUM_IMAGES, SEED
from odtk.tools.make_tfrecords import make_tfrecords
from odtk.tools.train import train


class SmallModels:
    """Each is trained once, in a folder."""

    def __init__(self, folder: Path):
        self._folder = folder

    @functools.cached_property
    def records(self) -> str:
        """Those of the demo."""
        data = synthetic_pets.draw_dataset(self._folder / "pets", num_images=NUM_IMAGES, seed=SEED)
        make_tfrecords(data.folder, self._folder / "records", num_shards=2, label_map=data.label_map)
        return str(self._folder / "records")

    def trained(self, name: str) -> tuple[str, str]:
        """(config, model dir) of a shipped pipeline, as a user takes it: without an option."""
        config, model_dir = self._folder / f"{name}.config", self._folder / name
        if not config.exists():
            configure(name, config, train_records=[self.records])
            train(config, model_dir, seed=SEED)
        return str(config), str(model_dir)
