"""The CUDA step: results on a GPU, checks wherever it is built, kernels emulated on the host everywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from attend_problem import ODD, ONE, SHAPES, convert, make_problem, relative_error
from torch import Tensor

from pycap.ops import AttendLSTMWeights, attend_lstm_step, attend_lstm_step_reference, cuda, library, use

CSRC = Path(__file__).parents[2] / "csrc"

OUTPUTS = ("hidden", "cell", "context", "attention")

needs_module = pytest.mark.skipif(
    library.cuda is None, reason=f"pycap._cuda is not built: {library.describe()['cuda_missing']}"
)
needs_gpu = [
    needs_module,
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

# relative_error against the reference in float64 that is allowed where PyTorch is not worse
TOLERANCE = {torch.float32: 4e-6, torch.bfloat16: 4e-3, torch.float16: 5e-4}
BEAM = {
    "images": 1,
    "captions": 5,
    "regions": 49,
    "feature_dim": 512,
    "attention_dim": 512,
    "hidden_dim": 512,
}
MANY_REGIONS = {
    "images": 3,
    "captions": 1,
    "regions": 700,
    "feature_dim": 64,
    "attention_dim": 320,
    "hidden_dim": 64,
}
STEPS = {**SHAPES, "beam": BEAM, "many regions": MANY_REGIONS}


def make_step(shape: dict[str, int], dtype: torch.dtype, device: str = "cuda") -> dict:
    """Arguments of `attend_lstm_step`."""
    problem = make_problem(**{**shape, "time": 1}, dtype=dtype)
    problem["inputs"] = problem["inputs"][:, 0].contiguous()
    weights = AttendLSTMWeights(*(weight.to(device) for weight in problem.pop("weights")))
    del problem["lengths"]
    return {**{name: tensor.to(device) for name, tensor in problem.items()}, "weights": weights}


def check_step(arguments: dict, results: tuple[Tensor, ...]) -> None:
    """Compare every output with the float64 reference; PyTorch in the same dtype sets the bound."""
    dtype = arguments["inputs"].dtype
    exact = attend_lstm_step_reference(**convert(arguments, torch.float64))
    torchs = attend_lstm_step_reference(**arguments)
    for name, result, peer, truth in zip(OUTPUTS, results, torchs, exact, strict=True):
        assert (result.dtype, result.shape) == (dtype, truth.shape), name
        assert relative_error(result, truth) <= max(TOLERANCE[dtype], 2 * relative_error(peer, truth)), name


class TestOnAGPU:
    pytestmark = needs_gpu

    @pytest.mark.parametrize("shape", STEPS)
    @pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
    def test_kernel_matches_reference(self, shape: str, dtype: torch.dtype) -> None:
        arguments = make_step(STEPS[shape], dtype)
        check_step(arguments, cuda.attend_lstm_step(**arguments))

    def test_without_an_index_each_row_looks_at_its_own_image(self) -> None:
        arguments = make_step({**ODD, "captions": 1}, torch.float32)
        check_step(arguments, cuda.attend_lstm_step(**{**arguments, "image_index": None}))

    def test_public_function_launches_the_kernel_unless_the_reference_is_wanted(self, monkeypatch) -> None:
        arguments = make_step(BEAM, torch.float32)
        kernel, launches = library.cuda.attend_lstm_step, []

        def count(**given):
            launches.append(given)
            kernel(**given)

        monkeypatch.setattr(library.cuda, "attend_lstm_step", count)
        check_step(arguments, attend_lstm_step(**arguments))
        assert len(launches) == 1
        with use("reference"):
            check_step(arguments, attend_lstm_step(**arguments))
        assert len(launches) == 1

    def test_gradient_is_left_to_the_reference(self) -> None:
        arguments = make_step(ODD, torch.float32)
        arguments["hidden"].requires_grad_()
        attend_lstm_step(**arguments)[0].sum().backward()
        assert arguments["hidden"].grad.abs().sum() > 0

    def test_launches_on_the_current_stream(self) -> None:
        arguments = make_step(BEAM, torch.float32)
        late = arguments["hidden"].clone()
        arguments["hidden"].fill_(torch.nan)
        torch.cuda.synchronize()
        with torch.cuda.stream(torch.cuda.Stream()):
            torch.cuda._sleep(200_000_000)  # about 0.1 s; a kernel on another stream would read NaN
            arguments["hidden"].copy_(late)
            results = cuda.attend_lstm_step(**arguments)
        torch.cuda.synchronize()
        check_step(arguments, results)

    def test_can_be_captured_in_a_graph(self) -> None:
        arguments = make_step(BEAM, torch.bfloat16)
        cuda.attend_lstm_step(**arguments)  # loads the kernels before the capture
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            results = cuda.attend_lstm_step(**arguments)
        arguments["cell"].neg_()
        graph.replay()
        torch.cuda.synchronize()
        check_step(arguments, results)

    def test_result_is_the_same_every_time(self) -> None:
        arguments = make_step(SHAPES["wide"], torch.float16)
        first, again = cuda.attend_lstm_step(**arguments), cuda.attend_lstm_step(**arguments)
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))

    def test_image_outside_the_images_gives_nan_in_its_row_only(self) -> None:
        arguments = make_step(ODD, torch.float32)
        arguments["image_index"][0], arguments["image_index"][-1] = -1, ODD["images"]
        for output in cuda.attend_lstm_step(**arguments):
            assert output[[0, -1]].isnan().all()
            assert output[1:-1].isfinite().all()

    def test_tensors_on_two_devices_are_refused(self) -> None:
        arguments = make_step(ONE, torch.float32)
        arguments["keys"] = arguments["keys"].cpu()
        with pytest.raises(ValueError, match="keys must be on cuda:0 like hidden, got cpu"):
            cuda.attend_lstm_step(**arguments)


# batch 4
CHECKED = {"images": 2, "captions": 2, "regions": 7, "feature_dim": 16, "attention_dim": 8, "hidden_dim": 12}


def halve(tensor: Tensor) -> Tensor:
    return tensor[..., ::2].contiguous()


def turn(tensor: Tensor) -> Tensor:
    return tensor.T.contiguous().T


def halve_gate(weights: AttendLSTMWeights) -> AttendLSTMWeights:
    return weights._replace(gate=halve(weights.gate))


@needs_module
class TestWhereItIsBuilt:  # on the CPU: arguments are checked before the launch
    @pytest.mark.parametrize(
        ("argument", "change", "complaint"),
        [
            (
                "keys",
                lambda keys: keys[:, :6].contiguous(),
                r"keys must be \(images=2, regions=7, attention_dim\)",
            ),
            ("inputs", halve, r"inputs must be \(batch=4, 4 \* hidden_dim=48\), got \(4, 24\)"),
            ("features", lambda features: features[0], r"features must have 3 axes, got \(7, 16\)"),
            ("cell", Tensor.half, "cell must be float32, got float16"),
            ("hidden", Tensor.double, "hidden must be float32, bfloat16 or float16, got float64"),
            ("hidden", turn, r"hidden must be contiguous, got .*hidden\.contiguous\(\)"),
            ("weights", halve_gate, r"weights\.gate must be \(hidden_dim=12,\), got \(6,\)"),
            ("image_index", Tensor.int, "image_index must be int64, got int32"),
            ("image_index", lambda index: None, "image_index must be given when images=2 is not batch=4"),
        ],
        ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "",
    )
    def test_wrong_argument_is_named(self, argument: str, change, complaint: str) -> None:
        arguments = make_step(CHECKED, torch.float32, "cpu")
        with pytest.raises(ValueError, match=complaint):
            cuda.attend_lstm_step(**{**arguments, argument: change(arguments[argument])})

    def test_too_many_regions_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"regions must be in 1\.\.8192, got 8193"):
            cuda.attend_lstm_step(**make_step({**ONE, "regions": 8193}, torch.float32, "cpu"))

    def test_tensors_of_an_older_torch_are_read_too(self, monkeypatch) -> None:
        monkeypatch.delattr(torch.Tensor, "__dlpack_c_exchange_api__", raising=False)
        arguments = make_step(CHECKED, torch.bfloat16, "cpu")
        with pytest.raises(ValueError, match="cell must be bfloat16, got float16"):
            cuda.attend_lstm_step(**{**arguments, "cell": arguments["cell"].half()})

    def test_cpu_tensors_are_refused_and_left_to_the_cpu(self) -> None:
        arguments = make_step(CHECKED, torch.float32, "cpu")
        error, message = RuntimeError, r"^attend_lstm_step: no CUDA device \(.+\)$"
        if library.cuda.device_count() > 0:
            error, message = ValueError, "hidden must be on a CUDA device, got cpu"
        with pytest.raises(error, match=message):
            cuda.attend_lstm_step(**arguments)
        check_step(arguments, attend_lstm_step(**arguments))

    def test_imports_without_torch_or_driver_and_counts_no_hidden_device(self) -> None:
        program = (
            "import sys\n"
            "from importlib.util import module_from_spec, spec_from_file_location\n"
            "spec = spec_from_file_location('pycap._cuda', sys.argv[1])\n"
            "module = module_from_spec(spec)\n"
            "spec.loader.exec_module(module)\n"
            "maps = open('/proc/self/maps').read()\n"
            "print([name for name in ('libtorch', 'libcuda.so', 'libcudart.so') if name in maps])\n"
            "print(module.device_count(), bool(module.device_problem()))\n"
        )
        run = subprocess.run(
            [sys.executable, "-c", program, library.cuda.__file__],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout == "[]\n0 True\n"

    def test_names_its_architectures(self) -> None:
        names = library.cuda.architectures()
        assert names
        assert all(int(name.rstrip("a")) >= 75 for name in names)


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
@pytest.mark.skipif(sys.platform != "linux", reason="the emulation needs ucontext")
def test_kernels_run_on_the_host_match_double_arithmetic(tmp_path: Path) -> None:
    program = tmp_path / "cuda_emulation"
    source = CSRC / "tests" / "cuda_emulation.cpp"
    subprocess.run(["c++", "-std=c++17", "-O1", "-I", str(CSRC), str(source), "-o", str(program)], check=True)
    run = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.endswith("\n0 failed\n")
