"""The transform `winograd` of a network that is exported: see odtk.layers.winograd for what it computes."""

import tensorflow as tf

from odtk.detectors.detector import Detector
from odtk.layers.winograd import WinogradConvolutions


def use_winograd(detector: Detector) -> list[tf.Variable]:
    """Has 3x3 convolutions computed by Winograd's method, for inference on CPUs; returns the kernels' variables.

    It replaces the attribute `convolve` of layers (see `odtk.layers.conv.convolve_each`), which pyramid and heads have;
    a backbone does not, as it would gain little. The variables are not part of the detector's own, and are made from
    the current kernels. The list is empty if no convolution gets faster.
    """
    detector.ensure_built()
    offering = [layer for layer in detector.network.submodules if hasattr(layer, "convolve")]
    convolve = WinogradConvolutions(conv for layer in offering for conv in layer.submodules)
    for layer in offering:
        layer.convolve = convolve
    return convolve.variables
