"""Functions whose variables become constants."""

import functools
import itertools

import tensorflow as tf
from tensorflow.python.framework import convert_to_constants

_numbers = itertools.count(1)


class FixedFunction(tf.Module):
    """A function with one input and a signature, with the present values of the variables that it reads.

    CPUs compute it quicker: the runtime folds batch norms into kernels that it knows not to change, and keeps these in
    the processor's order. Functions that it calls, such as loops, stay functions.
    """

    def __init__(self, function):
        super().__init__(name="fixed_function")
        concrete = function.get_concrete_function()
        fixed = _with_constants(concrete)

        @functools.wraps(function.python_function)  # the names of inputs are part of the signature
        def serve(*inputs):
            return tf.nest.pack_sequence_as(concrete.structured_outputs, fixed(*inputs))

        self.serve = tf.function(serve, input_signature=function.input_signature, autograph=False)
        # The loaded SavedModel is callable, as TFOD's is: most of its tutorials use it this way.
        self.__call__ = self.serve

    def save(self, folder: str) -> None:
        """Writes a SavedModel with it as the signature `serving_default`."""
        tf.saved_model.save(self, folder, signatures={"serving_default": self.serve})


def _with_constants(function):
    """A concrete function with constants in place of another one's variables; it returns a list.

    This is TensorFlow's convert_variables_to_constants_v2, in its three steps. Between them, functions of the graph get
    names of their own: the conversion calls all first loops of a process the same, and the second one is an error. And
    custom gradients are forgotten, which need variables: a SavedModel with them could not be written.
    """
    # Loops stay loops: other runtimes do not take the operations to which they would be lowered.
    data = convert_to_constants._FunctionConverterDataInEager(
        func=function, lower_control_flow=False, aggressive_inlining=False
    )
    graph, converted = convert_to_constants._replace_variables_by_constants(converter_data=data)
    _rename_functions(graph, f"fixed_{next(_numbers)}")
    for node in _nodes(graph):
        node.attr.pop("_gradient_op_type", None)
    return convert_to_constants._construct_concrete_function(function, graph, converted)


def _rename_functions(graph: tf.compat.v1.GraphDef, prefix: str) -> None:
    names = {function.signature.name for function in graph.library.function}
    for function in graph.library.function:
        function.signature.name = f"{prefix}_{function.signature.name}"
    for node in _nodes(graph):
        for value in node.attr.values():
            for called in [value.func] if value.HasField("func") else value.list.func:
                if called.name in names:
                    called.name = f"{prefix}_{called.name}"
    for gradient in graph.library.gradient:
        for field in ("function_name", "gradient_func"):
            if getattr(gradient, field) in names:
                setattr(gradient, field, f"{prefix}_{getattr(gradient, field)}")


def _nodes(graph: tf.compat.v1.GraphDef):
    """Those of its functions, too."""
    return itertools.chain(graph.node, *(function.node_def for function in graph.library.function))
