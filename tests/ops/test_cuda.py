"""attend_lstm in CUDA: on a GPU, and on the host that plays one, against the reference in float64."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from attend_problem import INPUTS, ODD, ONE, SHAPES, convert, differentiate, make_problem, relative_error
from gpu import CSRC, DEVICES, ORDERS, needs_emulation, needs_gpu, needs_module, prepare
from torch import Tensor

from pycap.ops import (
    AttendLSTMWeights,
    attend_lstm,
    attend_lstm_step,
    attend_lstm_step_reference,
    cuda,
    library,
    self_check,
    use,
)
from pycap.ops.attend_lstm_native import ARGUMENTS, backward_cuda, forward_cuda

OUTPUTS = ("hidden", "cell", "context", "attention")

# relative_error against the reference in float64 that is allowed where PyTorch is not worse
TOLERANCE = {torch.float32: 4e-6, torch.bfloat16: 8e-3, torch.float16: 1e-3}
BEAM = {
    "images": 1,
    "captions": 5,
    "regions": 49,
    "feature_dim": 512,
    "attention_dim": 512,
    "hidden_dim": 512,
}
SMALL_BEAM = {**BEAM, "feature_dim": 128, "attention_dim": 96, "hidden_dim": 64}
MANY_REGIONS = {
    "images": 3,
    "captions": 1,
    "regions": 700,
    "feature_dim": 64,
    "attention_dim": 320,
    "hidden_dim": 64,
}
MANY_ROWS = {
    "images": 47,
    "captions": 3,
    "time": 2,
    "regions": 4,
    "feature_dim": 40,
    "attention_dim": 24,
    "hidden_dim": 32,
}  # more than a tile of 128
SEQUENCES = {**SHAPES, "many rows": MANY_ROWS}
STEPS = {**SHAPES, "beam": SMALL_BEAM, "many regions": MANY_REGIONS}


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the kernels run."""
    return prepare(request.param, monkeypatch)


@pytest.fixture
def emulation(monkeypatch: pytest.MonkeyPatch):
    """The kernels on the host."""
    prepare("cpu", monkeypatch)
    yield library.cuda
    library.cuda.set_order(ORDERS["forward"])


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
    with use("reference"):
        exact = attend_lstm_step_reference(**convert(arguments, torch.float64))
        torchs = attend_lstm_step_reference(**arguments)
    for name, result, peer, truth in zip(OUTPUTS, results, torchs, exact, strict=True):
        assert (result.dtype, result.shape) == (dtype, truth.shape), name
        assert relative_error(result, truth) <= max(TOLERANCE[dtype], 2 * relative_error(peer, truth)), name


def run_operators(problem: dict, device: str) -> dict[str, Tensor]:
    """What `attend_problem.differentiate` returns, from the two CUDA operators called one after the other."""
    problem = {name: part for name, part in problem.items() if name != "weights"} | problem[
        "weights"
    ]._asdict()
    arguments = [problem[name].to(device) for name in ARGUMENTS]
    outputs = forward_cuda(*arguments)
    generator = torch.Generator().manual_seed(1)
    grads = [torch.randn(part.shape, generator=generator).to(part) for part in outputs[:3]]
    found = backward_cuda(*grads, *arguments[1:], *outputs)
    names = [*INPUTS, *AttendLSTMWeights._fields]
    visible = dict(zip(("hiddens", "contexts", "attention"), outputs, strict=False))
    everything = {**visible, **{f"d_{name}": grad for name, grad in zip(names, found, strict=True)}}
    return {name: part.cpu() for name, part in everything.items()}


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("shape", SEQUENCES)
def test_sequence_and_its_gradients_match_the_reference(shape: str, dtype: torch.dtype, device: str) -> None:
    problem = make_problem(**SEQUENCES[shape], dtype=dtype)
    found = run_operators(problem, device)
    exact = differentiate(convert(problem, torch.float64), "reference")
    torchs = differentiate(problem, "reference")
    for name, truth in exact.items():
        allowed = max(TOLERANCE[dtype], 2 * relative_error(torchs[name], truth))
        assert found[name].dtype == dtype, name
        assert relative_error(found[name], truth) <= allowed, name


@pytest.mark.parametrize("shape", STEPS)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_step_matches_the_reference(shape: str, dtype: torch.dtype, device: str) -> None:
    arguments = make_step(STEPS[shape], dtype, device)
    check_step(arguments, cuda.attend_lstm_step(**arguments))


def test_without_an_index_each_row_looks_at_its_own_image(device: str) -> None:
    arguments = make_step({**ODD, "captions": 1}, torch.float32, device)
    check_step(arguments, cuda.attend_lstm_step(**{**arguments, "image_index": None}))


def test_image_outside_the_images_gives_nan_in_its_row_only(device: str) -> None:
    arguments = make_step(ODD, torch.float32, device)
    arguments["image_index"][0], arguments["image_index"][-1] = -1, ODD["images"]
    for output in cuda.attend_lstm_step(**arguments):
        assert output[[0, -1]].isnan().all()
        assert output[1:-1].isfinite().all()


def test_nan_in_a_key_reaches_the_row_that_looks_at_it(device: str) -> None:
    arguments = make_step(ODD, torch.float32, device)
    arguments["keys"][1, 3, 5] = torch.nan
    looks = (arguments["image_index"] == 1).cpu()
    for output in cuda.attend_lstm_step(**arguments):
        assert output.cpu()[looks].isnan().all()
        assert output.cpu()[~looks].isfinite().all()


def test_large_keys_and_queries_saturate_without_overflow(device: str) -> None:
    arguments = make_step(ODD, torch.float32, device)
    arguments["keys"] *= 30
    arguments["weights"] = arguments["weights"]._replace(query=arguments["weights"].query * 30)
    check_step(arguments, cuda.attend_lstm_step(**arguments))


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_result_is_the_same_every_time_and_a_row_the_same_alone(dtype: torch.dtype, device: str) -> None:
    arguments = make_step(SHAPES["wide"], dtype, device)
    first, again = cuda.attend_lstm_step(**arguments), cuda.attend_lstm_step(**arguments)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    rows = {name: arguments[name][7:8].clone() for name in ("inputs", "hidden", "cell", "image_index")}
    alone = cuda.attend_lstm_step(**{**arguments, **rows})
    assert all(torch.equal(one[0], other[7]) for one, other in zip(alone, first, strict=True))


@pytest.mark.parametrize("mark", [pytest.param("", marks=needs_emulation)])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("shape", ["wide", "odd"])
def test_threads_in_another_order_change_no_bit(mark: str, shape: str, dtype: torch.dtype, emulation) -> None:
    problem = make_problem(**SHAPES[shape], dtype=dtype)
    first = run_operators(problem, "cpu")
    for order in ("backward", "shuffled"):
        emulation.set_order(ORDERS[order])
        again = run_operators(problem, "cpu")
        assert all(torch.equal(first[name], again[name]) for name in first), order


@pytest.mark.parametrize("mark", [pytest.param("", marks=needs_emulation)])
def test_self_check_passes_where_kernels_are_right_and_names_what_is_wrong(
    mark, emulation, monkeypatch
) -> None:
    host = torch.device("cpu")
    assert [self_check.complaint(host, dtype) for dtype in cuda.DTYPES] == ["", "", ""]
    right = cuda.attend_lstm_forward

    def wrong(**arguments):
        outputs = right(**arguments)
        outputs["contexts"] *= 1.01
        return outputs

    monkeypatch.setattr(cuda, "attend_lstm_forward", wrong)
    assert "attend_lstm: contexts is off by" in self_check.complaint(host, torch.float32)


class TestOnAGPU:
    pytestmark = needs_gpu

    def test_public_functions_launch_the_kernels_unless_the_reference_is_wanted(self, monkeypatch) -> None:
        arguments = make_step(BEAM, torch.float32)
        kernel, launches = library.cuda.attend_lstm_forward, []

        def count(**given):
            launches.append(given)
            kernel(**given)

        attend_lstm_step(**arguments)  # the self-check launches too
        monkeypatch.setattr(library.cuda, "attend_lstm_forward", count)
        check_step(arguments, attend_lstm_step(**arguments))
        assert len(launches) == 1
        with use("reference"):
            check_step(arguments, attend_lstm_step(**arguments))
        assert len(launches) == 1

    @pytest.mark.parametrize("shape", SHAPES)
    def test_gradients_of_the_public_function_match_the_reference(self, shape: str) -> None:
        problem = make_problem(**SHAPES[shape], dtype=torch.float32)
        exact = differentiate(convert(problem, torch.float64), "reference")
        on_gpu = {name: part.cuda() for name, part in problem.items() if name != "weights"}
        on_gpu["weights"] = AttendLSTMWeights(*(weight.cuda() for weight in problem["weights"]))
        for name, found in differentiate(on_gpu, "native").items():
            assert relative_error(found.cpu(), exact[name]) <= 1e-5, name

    def test_operator_passes_opcheck(self) -> None:
        problem = make_problem(**SHAPES["small"], dtype=torch.float32)
        floats = [problem[name].cuda().requires_grad_() for name in INPUTS]
        weights = [weight.cuda().requires_grad_() for weight in problem["weights"]]
        torch.library.opcheck(
            torch.ops.pycap.attend_lstm.default,
            (*floats, *weights, problem["lengths"].cuda(), problem["image_index"].cuda()),
        )

    def test_compiles_without_a_graph_break(self) -> None:
        problem = make_problem(**SHAPES["wide"], dtype=torch.float32)
        problem = {name: part.cuda() for name, part in problem.items() if name != "weights"} | {
            "weights": AttendLSTMWeights(*(weight.cuda() for weight in problem["weights"]))
        }
        eager = attend_lstm(**problem)
        compiled = torch.compile(attend_lstm, fullgraph=True)(**problem)
        assert all(torch.equal(one, other) for one, other in zip(eager, compiled, strict=True))

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
                r"keys must be \(images=2, regions=7, attention_dim=8\)",
            ),
            ("inputs", halve, r"inputs must be \(batch=4, time=1, 4 \* hidden_dim=48\), got \(4, 1, 24\)"),
            ("features", lambda features: features[0], r"features must have 3 axes, got \(7, 16\)"),
            ("cell", Tensor.half, "cell must be float32, got float16"),
            ("hidden", Tensor.double, "hidden must be float32, bfloat16 or float16, got float64"),
            ("hidden", turn, r"hidden must be contiguous, got .*hidden\.contiguous\(\)"),
            ("weights", halve_gate, r"gate must be \(hidden_dim=12,\), got \(6,\)"),
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
        with pytest.raises(ValueError, match=r"regions must be in 1\.\.4096, got 4097"):
            cuda.attend_lstm_step(**make_step({**ONE, "regions": 4097}, torch.float32, "cpu"))

    def test_tensors_of_an_older_torch_are_read_too(self, monkeypatch) -> None:
        monkeypatch.delattr(torch.Tensor, "__dlpack_c_exchange_api__", raising=False)
        arguments = make_step(CHECKED, torch.bfloat16, "cpu")
        with pytest.raises(ValueError, match="cell must be bfloat16, got float16"):
            cuda.attend_lstm_step(**{**arguments, "cell": arguments["cell"].half()})

    def test_cpu_tensors_are_refused_and_left_to_the_cpu(self) -> None:
        arguments = make_step(CHECKED, torch.float32, "cpu")
        error, message = RuntimeError, r"^attend_lstm: no CUDA device \(.+\)$"
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


@pytest.mark.parametrize("mark", [pytest.param("", marks=needs_emulation)])
def test_parts_of_the_kernels_match_plain_arithmetic_on_the_host(mark: str, tmp_path: Path) -> None:
    program = tmp_path / "cuda_emulation"
    source = CSRC / "tests" / "cuda_emulation.cpp"
    flags = ("-std=c++17", "-O1", "-Wno-unknown-pragmas", "-I", str(CSRC))
    subprocess.run(["c++", *flags, str(source), "-o", str(program)], check=True)
    run = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.endswith("\n0 failed\n")


@pytest.mark.parametrize("mark", [pytest.param("", marks=needs_emulation)])
@pytest.mark.skipif(shutil.which("nvcc") is None, reason="no CUDA compiler")
def test_nvcc_and_the_emulation_make_the_same_launches(mark: str, tmp_path: Path) -> None:
    source = str(CSRC / "tests" / "cuda_launches.cpp")
    compilers = {
        "nvcc": ["nvcc", "-std=c++17", "-x", "cu", "-arch=sm_90"],
        "c++": ["c++", "-std=c++17", "-O0", "-Wno-unknown-pragmas"],
    }
    listed = {}
    for name, command in compilers.items():
        program = tmp_path / name
        subprocess.run(
            [*command, "-I", str(CSRC), source, "-o", str(program)], check=True, capture_output=True
        )
        listed[name] = subprocess.run([str(program)], capture_output=True, text=True, check=False).stdout
    assert listed["nvcc"].endswith("\ndone\n")
    assert listed["nvcc"] == listed["c++"]
    assert "no kernel" not in listed["nvcc"]
