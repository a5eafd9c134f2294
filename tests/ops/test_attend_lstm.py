"""attend_lstm: the native kernels against the reference, in values, gradients and invariances."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from attend_problem import INPUTS, SHAPES, SMALL, convert, differentiate, make_problem, relative_error
from instruction_sets import ISAS, run_forced

from pycap.ops import AttendLSTMWeights, attend_lstm, attend_lstm_reference, attend_lstm_step, library, use

needs_native = pytest.mark.skipif(not library.native_available(), reason=library.missing_reason())
BACKENDS = [pytest.param("native", marks=needs_native), "reference"]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 4e-6}  # relative_error against the reference in float64


@pytest.fixture
def _poisoned_memory():
    """Every torch.empty of the test is filled with NaN."""
    torch.use_deterministic_algorithms(True)
    assert torch.utils.deterministic.fill_uninitialized_memory
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def _restored_threads():
    """Put the size of the pool back after the test."""
    before = library.cpu.threads()
    yield
    library.set_threads(before)


def errors(results: dict, exact: dict) -> dict[str, float]:
    """relative_error of every result."""
    return {name: relative_error(results[name], exact[name]) for name in exact}


@needs_native
@pytest.mark.usefixtures("_poisoned_memory")
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_kernel_matches_reference(shape: str, dtype: torch.dtype) -> None:
    problem = make_problem(**SHAPES[shape])
    exact = differentiate(problem, "reference")
    found = errors(differentiate(convert(problem, dtype), "native"), exact)
    torchs = errors(differentiate(convert(problem, dtype), "reference"), exact)
    allowed = {name: max(TOLERANCE[dtype], 2 * torchs[name]) for name in exact}
    assert {name: error for name, error in found.items() if not error <= allowed[name]} == {}


@needs_native
def test_gradcheck() -> None:
    problem = make_problem(**SMALL)
    tensors = [*(problem[name] for name in INPUTS), *problem["weights"]]

    def run(*floats: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return attend_lstm(
            *floats[:5], AttendLSTMWeights(*floats[5:]), problem["lengths"], problem["image_index"]
        )

    assert torch.autograd.gradcheck(run, [tensor.requires_grad_() for tensor in tensors])


@needs_native
def test_opcheck() -> None:
    problem = make_problem(**SMALL, dtype=torch.float32)
    tensors = [
        tensor.requires_grad_() for tensor in (*(problem[name] for name in INPUTS), *problem["weights"])
    ]
    arguments = (*tensors, problem["lengths"], problem["image_index"])
    torch.library.opcheck(torch.ops.pycap.attend_lstm.default, arguments)
    with torch.no_grad():
        outputs = torch.ops.pycap.attend_lstm(*arguments)
        torch.library.opcheck(
            torch.ops.pycap.attend_lstm_backward.default,
            (*(torch.randn_like(output) for output in outputs[:3]), *arguments[1:], *outputs),
            test_utils=("test_schema", "test_faketensor"),
        )


@needs_native
def test_runs_inside_torch_compile() -> None:
    problem = make_problem(**SMALL)
    compiled = torch.compile(lambda **arguments: attend_lstm(**arguments)[0], backend="aot_eager")
    torch.testing.assert_close(compiled(**problem), attend_lstm(**problem)[0], rtol=0, atol=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_padding_changes_nothing(backend: str) -> None:
    problem = make_problem(**SHAPES["odd"])
    expected = differentiate(problem, backend)
    batch, time, gates = problem["inputs"].shape
    longer = torch.full((batch, time + 3, gates), float("nan"), dtype=torch.float64)
    steps = torch.arange(time) < problem["lengths"][:, None]
    longer[:, :time][steps] = problem["inputs"][steps]
    found = differentiate({**problem, "inputs": longer}, backend)
    padding = torch.arange(time + 3) >= problem["lengths"][:, None]
    for name in ("hiddens", "contexts", "attention", "d_inputs"):
        assert (found[name][padding] == 0).all(), name
        assert not torch.equal(found[name][~padding], torch.zeros_like(found[name][~padding])), name
    torch.testing.assert_close(found["hiddens"][:, :time], expected["hiddens"], rtol=0, atol=0)


@needs_native
def test_order_of_images_changes_nothing() -> None:
    problem = make_problem(**SHAPES["odd"], dtype=torch.float32)
    captions, images = SHAPES["odd"]["captions"], SHAPES["odd"]["images"]
    order = torch.randperm(images)
    rows = (order[:, None] * captions + torch.arange(captions)).flatten()
    moved = dict(problem)
    for name in ("features", "keys"):
        moved[name] = problem[name][order]
    for name in ("inputs", "hidden", "cell", "lengths"):
        moved[name] = problem[name][rows]
    before, after = differentiate(problem, "native"), differentiate(moved, "native")
    with use("native"):
        assert torch.equal(attend_lstm(**moved)[0], attend_lstm(**problem)[0][rows])
    assert after["hiddens"].shape == before["hiddens"].shape


@needs_native
def test_result_of_a_row_does_not_depend_on_its_batch() -> None:
    problem = make_problem(**SHAPES["wide"], dtype=torch.float32)
    together = attend_lstm(**problem)
    for row in (0, 7, len(problem["lengths"]) - 1):
        alone = {
            name: problem[name][row : row + 1]
            for name in ("inputs", "hidden", "cell", "lengths", "image_index")
        }
        for whole, part in zip(together, attend_lstm(**{**problem, **alone}), strict=True):
            assert torch.equal(whole[row], part[0])


@needs_native
@pytest.mark.usefixtures("_restored_threads")
def test_thread_count_does_not_change_a_bit() -> None:
    problem = make_problem(**SHAPES["odd"], dtype=torch.float32)
    results = []
    for threads in (1, 2, 3, 4):
        library.set_threads(threads)
        results.append(differentiate(problem, "native"))
    for result in results[1:]:
        for name, value in result.items():
            assert torch.equal(value, results[0][name]), name


@needs_native
@pytest.mark.parametrize("isa", ISAS)
def test_every_instruction_set_matches_reference(isa: str) -> None:
    code = (
        "import pytest, sys; from pycap.ops import library, missing_reason; print(missing_reason()); "
        "assert library.describe()['isa'] == sys.argv[1]; "
        "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', sys.argv[2], '-k', 'kernel_matches or row_does_not']))"
    )
    run_forced(isa, code, isa, str(Path(__file__)))


@pytest.mark.parametrize("backend", BACKENDS)
def test_step_is_one_step_of_the_sequence(backend: str) -> None:
    problem = make_problem(**SHAPES["odd"])
    arguments = {
        name: problem[name] for name in ("features", "keys", "hidden", "cell", "weights", "image_index")
    }
    with use(backend):
        hidden, cell, context, attention = attend_lstm_step(problem["inputs"][:, 0].contiguous(), **arguments)
        sequence = attend_lstm(**problem)
    for result, steps in zip((hidden, context, attention), sequence, strict=True):
        torch.testing.assert_close(result, steps[:, 0])
    assert cell.shape == hidden.shape


@needs_native
def test_step_matches_reference_for_images_in_any_order() -> None:
    problem = make_problem(**SHAPES["odd"], dtype=torch.float32)
    arguments = {name: problem[name] for name in ("features", "keys", "hidden", "cell", "weights")}
    arguments |= {
        "inputs": problem["inputs"][:, 0].contiguous(),
        "image_index": problem["image_index"].flip(0),
    }
    native = attend_lstm_step(**arguments)
    with use("reference"):
        reference = attend_lstm_step(**arguments)
    for found, expected in zip(native, reference, strict=True):
        assert relative_error(found, expected.double()) < TOLERANCE[torch.float32]


def test_attention_weights_sum_to_one_and_reference_needs_no_kernel() -> None:
    problem = make_problem(**SMALL)
    _, _, attention = attend_lstm_reference(**problem)
    totals = attention.sum(dim=2)
    computed = torch.arange(totals.shape[1]) < problem["lengths"][:, None]
    torch.testing.assert_close(totals, computed.double())
