"""Every name of TensorRT's API that our code uses exists in three releases of its bindings.

``tests/data/trt_api_names.json`` holds the class and member names of tensorrt 10.16.1.11, tensorrt
11.4.0.106 and tensorrt_rtx 1.7.1.116, read off their Python bindings. The names that we use are
read off our sources, so that neither list can fall behind.
"""

import ast
import json
from pathlib import Path

import pytest

import spinn_edge

PACKAGE = Path(spinn_edge.__file__).parent
SOURCES = [*sorted(PACKAGE.glob("runtimes/trt/*.py")), PACKAGE / "export/trt.py"]
RECORDED = json.loads(
    (Path(__file__).parent.parent / "data" / "trt_api_names.json").read_text(encoding="utf-8")
)
CLASS_OF = {  # what our variables hold
    "builder": "Builder",
    "config": "IBuilderConfig",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "error": "ParserError",
    "layer": "ILayer",
    "optimization": "IOptimizationProfile",
    "runtime": "Runtime",
    "engine": "ICudaEngine",
    "context": "IExecutionContext",
    "runtime_config": "IRuntimeConfig",
    "runtime_cache": "IRuntimeCache",
    "inspector": "EngineInspector",
    "timings": "ITimingCache",
    "timing_cache": "ITimingCache",
}
ONLY_RTX = {
    "ComputeCapability",
    "IBuilderConfig.num_compute_capabilities",
    "IBuilderConfig.set_compute_capability",
    "CudaGraphStrategy",
    "CudaGraphStrategy.DISABLED",
    "CudaGraphStrategy.WHOLE_GRAPH_CAPTURE",
    "DynamicShapesKernelSpecializationStrategy",
    "DynamicShapesKernelSpecializationStrategy.EAGER",
    "IRuntimeCache.deserialize",
    "IRuntimeCache.serialize",
    "IRuntimeConfig.create_runtime_cache",
    "IRuntimeConfig.cuda_graph_strategy",
    "IRuntimeConfig.dynamic_shapes_kernel_specialization_strategy",
    "IRuntimeConfig.set_runtime_cache",
}


def used_names() -> set[str]:
    """Return ``Class`` and ``Class.member`` for each use in our sources."""
    names = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                *owners, attribute = ast.unparse(node).split(".")
                if owners[-1:] == ["module"]:
                    names.add(attribute)
                elif owners[-2:-1] == ["module"]:
                    names.add(f"{owners[-1]}.{attribute}")
                elif owners and (variable := owners[-1].lstrip("_")) in CLASS_OF:
                    names.add(f"{CLASS_OF[variable]}.{attribute}")
    return {name for name in names if "__" not in name}  # Python's own, such as __members__


@pytest.mark.parametrize("package", list(RECORDED))
def test_every_name_that_we_use_exists(package: str) -> None:
    known = {
        name
        for owner, members in RECORDED[package].items()
        for name in (owner, *(f"{owner}.{member}" for member in members))
    }
    wanted = used_names() - (set() if "rtx" in package else ONLY_RTX)
    assert sorted(wanted - known) == []


def test_the_uses_are_really_found() -> None:
    assert used_names() >= {
        *("Builder.build_serialized_network", "OnnxParser.parse_from_file", "BuilderFlag.TF32"),
        *("IExecutionContext.execute_async_v3", "ICudaEngine.get_tensor_mode", "ILogger"),
        *("Runtime.deserialize_cuda_engine", *ONLY_RTX),
    }


def test_names_that_are_only_of_rtx_are_missing_elsewhere() -> None:
    for package, classes in RECORDED.items():
        known = {f"{owner}.{member}" for owner, members in classes.items() for member in members}
        assert ONLY_RTX & (known | set(classes)) == (ONLY_RTX if "rtx" in package else set())
