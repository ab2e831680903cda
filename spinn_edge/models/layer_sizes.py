"""The numbers that a layer keeps beside its tensors, read off the tensors again."""

from __future__ import annotations

import math

import torch
from torch import nn


def describe_layer(layer: nn.Module) -> None:
    """Make a layer's own numbers say what its tensors are."""
    if isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = layer.weight.shape
    elif isinstance(layer, nn.Bilinear):
        layer.out_features, layer.in1_features, layer.in2_features = layer.weight.shape
    elif isinstance(layer, nn.modules.conv._ConvNd):
        _describe_convolution(layer)
    elif isinstance(layer, nn.modules.batchnorm._BatchNorm | nn.modules.instancenorm._InstanceNorm):
        tensor = layer.weight if layer.weight is not None else layer.running_mean
        if tensor is not None:
            layer.num_features = len(tensor)
    elif isinstance(layer, nn.LayerNorm | nn.RMSNorm) and layer.weight is not None:
        layer.normalized_shape = tuple(layer.weight.shape)
    elif isinstance(layer, nn.GroupNorm) and layer.weight is not None:
        layer.num_channels = len(layer.weight)
    elif isinstance(layer, nn.PReLU):
        layer.num_parameters = len(layer.weight)
    elif isinstance(layer, nn.Embedding | nn.EmbeddingBag):
        layer.embedding_dim = layer.weight.shape[1]


def _describe_convolution(layer: nn.modules.conv._ConvNd) -> None:
    """Set the channels of a convolution; a depthwise one has as many groups as channels."""
    depthwise = layer.groups > 1 and layer.groups == layer.in_channels == layer.out_channels
    first, second = layer.weight.shape[:2]
    if depthwise:
        layer.groups = first
    if layer.transposed:
        layer.in_channels, layer.out_channels = first, second * layer.groups
    else:
        layer.out_channels, layer.in_channels = first, second * layer.groups


def describe_attention(layer: nn.MultiheadAttention, size: int, head_dim: int) -> None:
    """Set the sizes of attention, and keep the scale that its logits were learnt with.

    PyTorch divides q k^T by the root of the head's size, which has become smaller, so the query's
    weights take up the ratio. Source: Vaswani et al. (2017), "Attention is all you need", 3.2.1.

    Args:
        layer: whose tensors were cut; keys and values of the embedding's size.
        size: embedding dimension before.
        head_dim: size of a head before.
    """
    now = layer.out_proj.weight.shape[1]
    if now == size:
        return
    layer.kdim = layer.vdim = now
    layer.embed_dim = now
    layer.head_dim = now // layer.num_heads
    ratio = math.sqrt(layer.head_dim / head_dim)
    with torch.no_grad():
        layer.in_proj_weight[:now].mul_(ratio)
        if layer.in_proj_bias is not None:
            layer.in_proj_bias[:now].mul_(ratio)
