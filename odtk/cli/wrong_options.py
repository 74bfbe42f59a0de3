"""Explains an option that a command does not have: it belongs to another command, or has another name."""

import contextlib
from collections.abc import Iterable, Iterator

import click

# Names of odtk's options in TFOD, Ultralytics, Detectron2 and torchvision.
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
    "devices": "device gpu gpus cpu num-gpus",
    "device": "devices gpu gpus cpu num-gpus",
    "data": "dataset train-data",
    "workers": "num-workers",
    "images": "source",
    "output": "project save-dir out out-dir output-path output-dir",
    "model-dir": "output project save-dir out-dir output-dir logdir",
    "model": "weights exported-dir",
}

_CONFIGURE = "odtk configure CONFIG --output CONFIG"

# Options of other tools for which odtk has no option of the same meaning.
_ANSWERS = {
    "epochs": "odtk counts steps; one epoch is the number of images divided by the batch size. The number of steps is "
    f"set in the config, together with the learning rate schedule: {_CONFIGURE} --num-steps N",
    "data": f"The records, which odtk make-tfrecords writes, are set in the config: {_CONFIGURE} "
    "--train-records FOLDER",
    "split": "odtk make-tfrecords splits the data; the records to train and to evaluate on are set in the config: "
    f"{_CONFIGURE} --train-records GLOB --eval-records GLOB",
    "device": "Only odtk train, odtk evaluate and odtk predict can be told with --devices what to use; the others take "
    "the first GPU that TensorFlow finds, otherwise the CPU. To choose one, set the environment variable: "
    "CUDA_VISIBLE_DEVICES=0 odtk ... (-1 for the CPU).",
    "workers": "Records are always read on all cores. --workers of odtk make-tfrecords are processes, those of odtk "
    "train machines.",
    "resume": "odtk train always resumes from the newest checkpoint in MODEL_DIR.",
    "overwrite": "It is not needed: odtk train resumes from the checkpoint in MODEL_DIR, odtk evaluate replaces the "
    "metrics there, and odtk demo replaces an earlier demo.",
}

# Commands that follow a pipeline.config, and options of configure that are not stored in one.
_READ_A_CONFIG = ("train", "evaluate", "export")
_NOT_IN_A_CONFIG = ("output", "check", "list", "json", "overwrite")


@contextlib.contextmanager
def answering_wrong_options(root: click.Group) -> Iterator[None]:
    """Adds to the NoSuchOption of any command below `root` what the user may have meant."""
    try:
        yield
    except click.NoSuchOption as error:
        answer = _answer(root, error.ctx, error.option_name) if error.ctx else None
        if not answer:
            raise
        text = f"{error.ctx.command_path if error.ctx else root.name} has no option {error.option_name}. {answer}"
        raise click.NoSuchOption(error.option_name, text, ctx=error.ctx) from None


def _answer(root: click.Group, ctx: click.Context, typed: str) -> str | None:
    word = _plain(typed)
    words = [word, *(name for name, others in _OTHER_NAMES.items() if word in others.split())]
    answers = (
        _own,
        lambda ctx, name: _argument(ctx, name, in_part=name == word),
        lambda ctx, name: _ANSWERS.get(name),
        lambda ctx, name: _elsewhere(root, ctx, name),
    )
    return next(filter(None, (answer(ctx, name) for answer in answers for name in words)), None)


def _own(ctx: click.Context, word: str) -> str | None:
    """The answer if the command has the option, spelled differently."""
    names = [max(param.opts, key=len) for param in _options(ctx.command)]
    own = {_plain(name).replace("-", ""): name for name in names}
    name = own.get(word.replace("-", ""))
    return f"Did you mean {name}?" if name else None


def _plain(typed: str) -> str:
    return typed.lstrip("-").replace("_", "-").lower()


def _options(command: click.Command) -> Iterable[click.Option]:
    return (param for param in command.params if isinstance(param, click.Option))


def _argument(ctx: click.Context, word: str, in_part: bool) -> str | None:
    """The answer if the option is really an argument, all of whose words it has; `in_part`: or some of them alone."""
    names = [set(param.name.split("_")) for param in ctx.command.params if isinstance(param, click.Argument)]
    typed = set(word.split("-"))
    if any(name <= typed or (in_part and typed <= name) for name in names):
        usage = " ".join([ctx.command_path, *ctx.command.collect_usage_pieces(ctx)])
        return f"It is an argument, not an option: {usage}"
    return None


def _elsewhere(root: click.Group, ctx: click.Context, word: str) -> str | None:
    """The answer if other commands have the option."""
    owners = {}
    for path, command in _commands(root, ctx):
        for option in _options(command):
            if f"--{word}" in (*option.opts, *option.secondary_opts):
                owners[path] = option
    if "odtk" in owners:
        return f"It goes before the command: odtk --{word} {ctx.info_name} ..."
    if word in _NOT_IN_A_CONFIG or not owners:
        return None
    if "odtk configure" in owners and ctx.info_name in _READ_A_CONFIG:
        option = owners["odtk configure"]
        value = "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"
        return f"It is set in the config: {_CONFIGURE} --{word}{value}"
    *others, last = owners
    return f"{', '.join(others)} and {last} have it." if others else f"{last} has it."


def _commands(root: click.Group, ctx: click.Context) -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, including the root and the commands of groups."""
    yield "odtk", root
    for name in root.list_commands(ctx):
        command = root.get_command(ctx, name)
        if command is None:
            continue
        yield f"odtk {name}", command
        for inner, found in getattr(command, "commands", {}).items():
            yield f"odtk {name} {inner}", found
