"""An option that a command does not have is answered with where it lives: in another command, or under another name."""

import contextlib
from collections.abc import Iterable, Iterator

import click

# What TFOD, Ultralytics, Detectron2 and torchvision call odtk's options.
_OTHER_NAMES = {
    "batch-size": "batch bs b ims-per-batch",
    "learning-rate": "lr lr0 base-lr",
    "image-size": "imgsz img img-size input-size resize",
    "num-classes": "nc classes",
    "fine-tune-checkpoint": "weights pretrained",
    "num-steps": "steps max-steps iters iterations max-iter num-train-steps",
    "checkpoint-every": "checkpoint-every-n save-period",
    "min-score": "conf conf-thres confidence threshold score-threshold min-score-thresh",
    "max-boxes": "max-det",
    "num-images": "count limit number",
    "label-map": "labels label-map-path names",
    "val-fraction": "val-split",
    "epochs": "epoch num-epochs max-epochs",
    "device": "gpu gpus cpu num-gpus",
    "data": "dataset train-data",
    "workers": "num-workers",
    "images": "source",
    "output": "project save-dir out out-dir output-path output-dir",
    "model-dir": "output project save-dir out-dir output-dir logdir",
    "exported-dir": "weights model saved-model",
}

_CONFIGURE = "odtk configure CONFIG --output CONFIG"

# Words for which no option of the same meaning is the answer.
_ANSWERS = {
    "epochs": "odtk counts steps; an epoch is the number of images divided by the batch size. The config has them, and "
    f"the learning rate's schedule goes along: {_CONFIGURE} --num-steps N",
    "data": f"The config names the records, which odtk make-tfrecords writes: {_CONFIGURE} --train-records FOLDER",
    "split": "The config names the records to train and to evaluate on, which odtk make-tfrecords splits: "
    f"{_CONFIGURE} --train-records GLOB --eval-records GLOB",
    "device": "odtk takes the GPUs that it sees, or else the CPU; choose in the environment: CUDA_VISIBLE_DEVICES=0 "
    "odtk ..., or =-1 for the CPU.",
    "workers": "Records are read by all cores as it is; only odtk make-tfrecords has --workers.",
    "resume": "odtk train goes on from the newest checkpoint in MODEL_DIR as it is.",
    "overwrite": "Without it, odtk train goes on from the checkpoint in MODEL_DIR, odtk evaluate replaces the metrics "
    "there, and odtk demo replaces an earlier demo.",
}

# Commands that do what a pipeline.config says, and options of configure that do not stand in one.
_READ_A_CONFIG = ("train", "evaluate", "export")
_NOT_IN_A_CONFIG = ("output", "check", "list", "json", "overwrite")


@contextlib.contextmanager
def answering_wrong_options(root: click.Group) -> Iterator[None]:
    """Raises NoSuchOption of any command below `root` again, with what the user may have meant."""
    try:
        yield
    except click.NoSuchOption as error:
        answer = _answer(root, error.ctx, error.option_name) if error.ctx else None
        if not answer:
            raise
        text = f"{error.ctx.command_path} has no {error.option_name}. {answer}"
        raise click.NoSuchOption(error.option_name, text, ctx=error.ctx) from None


def _answer(root: click.Group, ctx: click.Context, typed: str) -> str | None:
    word = _plain(typed)
    words = [word, *(name for name, others in _OTHER_NAMES.items() if word in others.split())]
    answers = (_own, _argument, lambda ctx, word: _ANSWERS.get(word), lambda ctx, word: _elsewhere(root, ctx, word))
    return next(filter(None, (answer(ctx, word) for answer in answers for word in words)), None)


def _own(ctx: click.Context, word: str) -> str | None:
    """The answer where the command has the option, written in another way."""
    names = [max(param.opts, key=len) for param in _options(ctx.command)]
    own = {_plain(name).replace("-", ""): name for name in names}
    name = own.get(word.replace("-", ""))
    return f"Did you mean {name}?" if name else None


def _plain(typed: str) -> str:
    return typed.lstrip("-").replace("_", "-").lower()


def _options(command: click.Command) -> Iterable[click.Option]:
    return (param for param in command.params if isinstance(param, click.Option))


def _argument(ctx: click.Context, word: str) -> str | None:
    """The answer where the words of an argument's name are among the option's, or the other way round."""
    names = [set(param.name.split("_")) for param in ctx.command.params if isinstance(param, click.Argument)]
    typed = set(word.split("-"))
    if any(name <= typed or typed <= name for name in names):
        usage = " ".join([ctx.command_path, *ctx.command.collect_usage_pieces(ctx)])
        return f"Leave out the option's name: {usage}"
    return None


def _elsewhere(root: click.Group, ctx: click.Context, word: str) -> str | None:
    """The answer where other commands have the option."""
    owners = {}
    for path, command in _commands(root, ctx):
        for option in _options(command):
            if f"--{word}" in (*option.opts, *option.secondary_opts):
                owners[path] = option
    if "odtk" in owners:
        return f"It stands before the command: odtk --{word} {ctx.info_name} ..."
    if word in _NOT_IN_A_CONFIG or not owners:
        return None
    if "odtk configure" in owners and ctx.info_name in _READ_A_CONFIG:
        option = owners["odtk configure"]
        value = "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"
        return f"It stands in the config: {_CONFIGURE} --{word}{value}"
    *others, last = owners
    return f"{', '.join(others)} and {last} have it." if others else f"{last} has it."


def _commands(root: click.Group, ctx: click.Context) -> Iterator[tuple[str, click.Command]]:
    """Every command by its words, the root and those in groups included."""
    yield "odtk", root
    for name in root.list_commands(ctx):
        command = root.get_command(ctx, name)
        yield f"odtk {name}", command
        for inner, found in getattr(command, "commands", {}).items():
            yield f"odtk {name} {inner}", found
