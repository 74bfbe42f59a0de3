"""What a trial step counts of a GPU's memory; tests/tools/test_train_accumulation.py makes real ones, on the CPU."""

import pytest

from odtk.training.trial_steps import TrialSteps


class Gpu:
    """Trainer and memory in one: a step takes a byte an image, and 50 more to try algorithms on a new size."""

    weights = 10

    def __init__(self):
        self.tried, self.highest, self.train_dataset = set(), self.weights, 0

    def train(self, num_steps):
        for _ in range(int(num_steps)):
            scratch = 0 if self.train_dataset in self.tried else 50
            self.highest = max(self.highest, self.weights + self.train_dataset + scratch)
            self.tried.add(self.train_dataset)

    def reset(self):
        self.highest = self.weights

    def peak(self):
        return self.highest


@pytest.fixture
def trials():
    trials = TrialSteps.__new__(TrialSteps)
    trials._trainer = trials._memory = Gpu()
    trials._dataset = lambda images: images
    return trials


def test_what_the_first_step_of_a_size_alone_takes_is_not_counted(trials):
    assert [trials(images) for images in (2, 4, 32, 8)] == [12, 14, 42, 18]
