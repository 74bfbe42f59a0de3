"""Builds an SSD from a config's `ssd` message and the feature extractor of its family."""

from odtk.detectors.parts.anchors import build_anchors
from odtk.detectors.parts.box_coders import build_box_coder
from odtk.detectors.parts.input_size import InputSize, output_size
from odtk.detectors.parts.losses import build_classification_loss, build_localization_loss
from odtk.detectors.parts.matching import build_argmax_match, build_similarity
from odtk.detectors.parts.resizer import build_resizer
from odtk.detectors.parts.score_conversion import build_score_converter
from odtk.detectors.parts.suppression import build_suppression
from odtk.detectors.ssd import checkpoint_paths
from odtk.detectors.ssd.box_predictor import build_box_predictor, makes_sigmoids
from odtk.detectors.ssd.checkpoint_paths import CheckpointPaths
from odtk.detectors.ssd.detector import SsdDetector, SsdNetwork
from odtk.detectors.ssd.extractor import FeatureExtractor
from odtk.detectors.ssd.training import Background, HardExampleMining, SsdTraining
from odtk.protos import losses_pb2, ssd_pb2


def build_ssd(ssd: ssd_pb2.Ssd, extractor: FeatureExtractor, input_size: InputSize, finest_level: int) -> SsdDetector:
    """Every field of `ssd` is read here or in the parts' builders, or was refused by the family.

    `finest_level`: that of the extractor's first map, which has a stride of 2 ** level.
    """
    anchors, background = build_anchors(ssd.anchor_generator), _background(ssd)
    heads, paths_of_heads = build_box_predictor(
        ssd.box_predictor, extractor.channels, anchors.per_location, background.columns(ssd.num_classes)
    )

    def paths(network: SsdNetwork) -> CheckpointPaths:
        of_extractor = extractor.paths(network.backbone, network.pyramid)
        return checkpoint_paths.MODEL | of_extractor | paths_of_heads(network.heads)

    return SsdDetector(
        network=SsdNetwork(
            extractor.backbone,
            extractor.pyramid,
            heads,
            extractor.first_map,
            extractor.backbone_always_trains,
            name="network",
        ),
        preprocess=extractor.preprocess,
        anchors=anchors,
        finest_level=finest_level,
        coder=build_box_coder(ssd.box_coder),
        resize=build_resizer(ssd.image_resizer, extractor.color_of),
        image_size=output_size(ssd.image_resizer),
        num_classes=ssd.num_classes,
        training=build_training(ssd),
        suppression=build_suppression(ssd.post_processing.batch_non_max_suppression),
        score_converter=build_score_converter(ssd.post_processing),
        background=background,
        sigmoid_in_exports=makes_sigmoids(ssd.box_predictor),
        class_agnostic=ssd.post_processing.batch_non_max_suppression.use_class_agnostic_nms,
        freeze_batch_norm=ssd.freeze_batchnorm,
        input_size=input_size,
        paths=paths,
        parts=extractor.parts,
        name=extractor.name,
    )


def build_training(ssd: ssd_pb2.Ssd) -> SsdTraining:
    """Matching and losses, with the config's parameters."""
    sampler = ssd.loss.random_example_sampler
    return SsdTraining(
        similarity=build_similarity(ssd.similarity_calculator),
        match=build_argmax_match(ssd.matcher),
        localization_loss=build_localization_loss(ssd.loss.localization_loss),
        classification_loss=build_classification_loss(ssd.loss.classification_loss),
        unmatched_weight=ssd.negative_class_weight,
        localization_weight=ssd.loss.localization_weight,
        classification_weight=ssd.loss.classification_weight,
        normalize_by_num_matches=ssd.normalize_loss_by_num_matches,
        normalize_by_code_size=ssd.normalize_loc_loss_by_codesize,
        positive_fraction=sampler.positive_sample_fraction if ssd.loss.HasField("random_example_sampler") else None,
        mining=_mining(ssd.loss),
        implicit_weight=ssd.implicit_example_weight if ssd.use_confidences_as_targets else None,
    )


def _background(ssd: ssd_pb2.Ssd) -> Background:
    return Background(ssd.add_background_class, ssd.explicit_background_class, ssd.encode_background_as_zeros)


def _mining(loss: losses_pb2.Loss) -> HardExampleMining | None:
    if not loss.HasField("hard_example_miner"):
        return None
    miner = loss.hard_example_miner
    return HardExampleMining(
        num_hard_examples=miner.num_hard_examples,
        iou_threshold=miner.iou_threshold,
        by=losses_pb2.HardExampleMiner.LossType.Name(miner.loss_type).lower(),
        max_negatives_per_positive=miner.max_negatives_per_positive,
        min_negatives_per_image=miner.min_negatives_per_image,
    )
