"""What TensorRT refuses in ONNX graphs, which no test runs it on."""

from collections.abc import Iterator

import onnx

MOST_OF_TOPK = 3840
_REFUSED = ("Loop", "Scan", "If")


def refused_by_tensorrt(model: onnx.ModelProto) -> list[str]:
    """Its nodes with a body of their own, and each TopK of more than 3840 values or of a number that is computed."""
    found = []
    for graph in graphs_in(model.graph):
        known = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
        known |= {
            node.output[0]: onnx.numpy_helper.to_array(node.attribute[0].t)
            for node in graph.node
            if node.op_type == "Constant" and node.attribute[0].name == "value"
        }
        for node in graph.node:
            if node.op_type in _REFUSED:
                found.append(f"{node.op_type} {node.name}")
            elif node.op_type == "TopK" and not (node.input[1] in known and known[node.input[1]] <= MOST_OF_TOPK):
                found.append(f"TopK {node.name} of {known.get(node.input[1], node.input[1])}")
    return found


def graphs_in(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph, and those of its nodes' bodies."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from graphs_in(inner)
