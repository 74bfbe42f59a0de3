"""The augmentation options that odtk implements; without TensorFlow, for `odtk configure --check`."""

from collections.abc import Sequence

from odtk.errors import ConfigError

# Option of train_config.data_augmentation_options to the module of this package that has a function of its name.
AUGMENTATIONS = {
    "random_horizontal_flip": "flips",
    "random_vertical_flip": "flips",
    "random_rotation90": "flips",
    "random_self_concat_image": "copies",
    "random_crop_image": "crops",
    "random_crop_to_aspect_ratio": "crops",
    "ssd_random_crop": "crops",
    "ssd_random_crop_fixed_aspect_ratio": "crops",
    "random_pad_image": "padding",
    "random_absolute_pad_image": "padding",
    "random_crop_pad_image": "padding",
    "ssd_random_crop_pad": "padding",
    "ssd_random_crop_pad_fixed_aspect_ratio": "padding",
    "random_image_scale": "padding",
    "random_square_crop_by_scale": "square_crops",
    "random_scale_crop_and_pad_to_square": "square_crops",
    "random_adjust_brightness": "color",
    "random_adjust_contrast": "color",
    "random_adjust_hue": "color",
    "random_adjust_saturation": "color",
    "random_distort_color": "color",
    "random_rgb_to_gray": "color",
    "random_pixel_value_scale": "color",
    "adjust_gamma": "color",
    "normalize_image": "color",
    "subtract_channel_mean": "color",
    "random_patch_gaussian": "noise",
    "random_black_patches": "noise",
    "random_jpeg_quality": "noise",
    "random_downscale_to_target_pixels": "noise",
    "resize_image": "noise",
    "random_resize_method": "noise",
    "random_jitter_boxes": "labels",
    "drop_label_probabilistically": "labels",
    "remap_labels": "labels",
}

# Why odtk has not the others.
REFUSED = {
    "scale_boxes_to_pixel_coordinates": "it leaves boxes in pixels, which TFOD trains on as if they were fractions",
    "rgb_to_gray": "it leaves one channel, and odtk's networks take three (random_rgb_to_gray with probability 1 does)",
    "convert_class_logits_to_softmax": "it is about another model's scores in the records, which odtk does not read",
    "autoaugment_image": "TFOD 2 fails with it: it needs a part of TensorFlow 1",
}


def supported_augmentations() -> frozenset[str]:
    """Names of the options of train_config.data_augmentation_options that this version implements."""
    return frozenset(AUGMENTATIONS)


def unsupported_augmentations(options: Sequence) -> list[tuple[str, str]]:
    """(dotted path, reason) of every PreprocessingStep of `options` that cannot be used; none is ignored."""
    findings = []
    for index, option in enumerate(options):
        path = f"train_config.data_augmentation_options[{index}]"
        name = option.WhichOneof("preprocessing_step")
        if name is None:
            findings.append((path, "it names no option"))
        elif name not in AUGMENTATIONS:
            findings.append((f"{path}.{name}", f"odtk does not implement it, as {REFUSED[name]}"))
    return findings


def refuse_unsupported_augmentations(options: Sequence) -> None:
    """Raises ConfigError that names every option of `options` (PreprocessingStep messages) that cannot be used."""
    findings = unsupported_augmentations(options)
    if findings:
        listed = "; ".join(f"{path}: {reason}" for path, reason in findings)
        raise ConfigError(f"{listed}. Remove it, or use one of: {', '.join(sorted(AUGMENTATIONS))}.")
