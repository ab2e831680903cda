"""Arithmetic on zero tangents leaves the graph, and only that."""

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from spinn_edge.training.zero_tangents import DropZeroTangents

aten = torch.ops.aten
ZERO = aten._efficientzerotensor.default


def targets(graph):
    return [node.target for node in graph.nodes if node.op == "call_function"]


def traced(function, *inputs, zeros):
    """Trace ``function(*inputs, *zeros)``, the last of which are zero tensors of these shapes."""
    nothing = [torch.zeros(shape) for shape in zeros]
    module = make_fx(function, tracing_mode="fake")(*inputs, *nothing)
    holders = [node for node in module.graph.nodes if node.op == "placeholder"]
    for holder, shape in zip(holders[len(inputs) :], zeros, strict=True):
        with module.graph.inserting_before(holder):
            zero = module.graph.call_function(
                ZERO, (list(shape),), {"dtype": torch.float32, "device": torch.device("cpu")}
            )
        zero.meta.update(holder.meta)
        holder.replace_all_uses_with(zero)
        module.graph.erase_node(holder)
    return module


def rewritten(function, *inputs, zeros):
    module = traced(function, *inputs, zeros=zeros)
    assert ZERO in targets(module.graph)
    DropZeroTangents()(module.graph)
    module.graph.lint()
    module.recompile()
    assert ZERO not in targets(module.graph)
    return module


A, B = torch.rand(2, 3), torch.rand(3, 4)


def test_a_product_with_zeros_goes_and_the_sum_is_the_other_summand():
    module = rewritten(lambda a, b, z: torch.mm(a, b) + torch.mm(a, z), A, B, zeros=[(3, 4)])
    assert targets(module.graph) == [aten.mm.default]
    torch.testing.assert_close(module(A, B), A @ B)


def test_a_chain_of_zeros_goes_whole():
    def chain(a, b, z, y):
        return b - (torch.mm(a, z.t()) + torch.mm(a, y)).neg().t().unsqueeze(0).squeeze(0).t()

    module = rewritten(chain, A, torch.rand(2, 4), zeros=[(4, 3), (3, 4)])
    assert targets(module.graph) == []
    assert torch.equal(module(A, A), A)  # the second argument comes back


def test_a_zero_that_is_still_read_becomes_a_tensor_of_zeros():
    module = rewritten(
        lambda a, z, y: (torch.cat([a, z * a]), torch.exp(y)), A, zeros=[(2, 3), (3,)]
    )
    both, ones = module(A)
    assert torch.equal(both, torch.cat([A, torch.zeros(2, 3)]))
    assert torch.equal(ones, torch.ones(3))


def test_a_zero_that_is_returned_becomes_a_tensor_of_zeros():
    assert torch.equal(rewritten(lambda a, z: a @ z, A, zeros=[(3, 4)])(A), torch.zeros(2, 4))


def test_a_sum_that_broadcasts_keeps_its_shape():
    module = rewritten(lambda a, z: a + z, torch.rand(3), zeros=[(2, 3)])
    assert torch.equal(module(A[0]), A[0].expand(2, 3))


def test_zeros_less_something_is_not_the_thing_itself():
    assert torch.equal(rewritten(lambda a, z: z - a, A, zeros=[(2, 3)])(A), -A)


def test_a_multiple_added_to_zeros_stays_a_multiple():
    module = rewritten(lambda a, z: torch.add(z, a, alpha=3), A, zeros=[(2, 3)])
    assert torch.equal(module(A), 3 * A)


def test_a_graph_without_zeros_is_left_alone():
    module = traced(lambda a: torch.mm(a, a) + a * 0.0, torch.rand(3, 3), zeros=[])
    before = targets(module.graph)
    DropZeroTangents()(module.graph)
    assert targets(module.graph) == before


def test_the_pass_has_an_identity_for_the_cache_of_compiled_graphs():
    assert DropZeroTangents().uuid() == DropZeroTangents().uuid()
    assert DropZeroTangents().uuid()
