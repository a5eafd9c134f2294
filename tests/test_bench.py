"""The bench suite runs, agrees and says what it measured; `pytest --benchmark-only` times the operations themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from tiny import child_environment

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT))  # behind an installed pycap

from bench import gpu, instructions, machine, peaks, pictures, report, rows, tables  # noqa: E402
from bench.case import PEERS, Settings  # noqa: E402
from bench.experiments import ablation  # noqa: E402
from bench.floors import Work, decode_work, find_floor  # noqa: E402
from bench.peers.beam import Round, Start  # noqa: E402
from bench.peers.gpu import GraphablePeer  # noqa: E402
from bench.peers.runtimes import missing  # noqa: E402
from bench.problems import draw_features, draw_weights  # noqa: E402
from bench.rows import attend_lstm, decode, self_critical  # noqa: E402
from bench.timing import compare  # noqa: E402
from pycap.cli.train import change  # noqa: E402
from pycap.config import Config  # noqa: E402
from pycap.ops.beam import BeamDecoder  # noqa: E402
from pycap.training import make_phases  # noqa: E402

RESULT = {"name", "kind", "dtype", "counts", "note", "seconds", "spread", "blocks", "agreement", "agrees"}
RESULT |= {"floor", "share", "memory"}
LIMITS = {
    "gflops": [100.0, 200.0],
    "int8_gops": [400.0, 800.0],
    "gbs": {"L2": [50.0, 100.0], "DRAM": [5.0, 10.0]},
}
MACHINE = {"threads": 2, "caches": {"L2": 1 << 20}, "limits": LIMITS}


def run_module(name: str, *words: str) -> subprocess.CompletedProcess:
    """Run a module of the bench as a user would."""
    command = [sys.executable, "-m", name, *words]
    return subprocess.run(command, cwd=ROOT, env=child_environment(), capture_output=True, text=True)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What a quick run of all rows and sweeps writes, with the peers that are installed and need no compiler."""
    target = tmp_path_factory.mktemp("bench") / "results.json"
    peers = [kind for kind in PEERS if kind != "compile" and not missing(kind)]
    words = ["--quick", "--sweep", "--threads", "1", "--peers", ",".join(peers), "--json", str(target)]
    done = run_module("bench", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(target.read_text())


@pytest.mark.parametrize("row", rows.TITLES)
def test_row_measures_every_contender_and_all_agree(document: dict, row: str):
    cases = document["rows"][row]
    assert cases
    for case in cases:
        assert {"title", "shape", "items", "item", "results", "absent", "goals"} <= set(case)
        assert {result["kind"] for result in case["results"]} >= {"pycap", "eager"}
        for result in case["results"]:
            assert set(result) == RESULT
            assert result["agrees"], result
            assert result["seconds"] > 0
            assert result["agreement"]["of"] > 0


def test_document_names_machine_and_limits(document: dict):
    found = document["machine"]
    assert found["threads"] == 1
    assert found["versions"]["torch"] == torch.__version__
    assert found["limits"]["gflops"][0] > 0
    assert set(found["limits"]["gbs"]) == {"L2", "L3", "DRAM"}


def test_sweeps_measure_every_value_of_every_axis(document: dict):
    assert set(document["sweeps"]) == {"beam", "batch", "vocab", "regions", "threads"}
    for curves in document["sweeps"].values():
        for curve in curves:
            assert {line["kind"] for line in curve["series"].values()} == {"pycap", "eager"}
            for line in curve["series"].values():
                assert len(line["seconds"]) == len(curve["values"])


def test_tables_are_rewritten_in_place(document: dict):
    text = tables.rewrite("# Measured\n\nby hand\n", tables.measured_lines(document))
    assert text.startswith("# Measured\n\nby hand\n")
    assert all(f"### {row}: " in text for row in rows.TITLES)
    assert tables.rewrite(text, ["new"]).count(tables.BEGIN) == 1
    assert "###" not in tables.rewrite(text, ["new"])


def test_pictures_draw_every_sweep_and_the_roofline(document: dict):
    for axis, curves in document["sweeps"].items():
        panels = pictures.draw_sweep(axis, curves).axes
        assert [panel.get_xlabel() for panel in panels] == [pictures.LABELS[axis]] * len(curves)
    assert pictures.draw_roofline(document).axes[0].get_ylabel() == "GFLOP/s"
    pictures.plt.close("all")


def test_floor_is_the_slower_of_arithmetic_and_memory():
    small, large = Work({"float32": 2e9}, 1e8, 1e6), Work({"float32": 2e9}, 1e9, 1e9)
    assert find_floor(small, MACHINE)["seconds"] == pytest.approx(2e9 / 200e9)
    assert find_floor(small, MACHINE)["bound"] == "arithmetic"
    assert find_floor(large, MACHINE)["seconds"] == pytest.approx(1e9 / 10e9)
    assert (find_floor(large, MACHINE)["bound"], find_floor(large, MACHINE)["level"]) == ("memory", "DRAM")


def test_decode_work_counts_products_with_weights():
    work = decode_work(images=1, regions=1, vocab=1000, dim=64, beam=1, steps=1)
    matrices = (
        64 * (5 * 64 + 64 + 1) + 1000 * 64 + 64 * 64 + 2 * 64 * 64
    )  # state, vocabulary, key, first state
    others = 4 * 64 + 2 * 64 * 5 * 64 + 2 * 64  # energies, the one region's context, its blend
    assert work.total == 2 * matrices + others
    assert decode_work(1, 1, 1000, 64, 1, 1, weight_bytes=1).operations["int8"] == 2 * matrices


def test_rivals_take_turns_in_blocks():
    calls: list[str] = []
    runs = {name: lambda name=name: calls.append(name) for name in ("a", "b")}
    times = compare(runs, rounds=2, pause=0.0, block=0.0)
    assert "".join(calls) == "aabbaabb"  # a warm-up call and a timed one each
    assert len(times["a"].blocks) == 2
    assert times["a"].median > 0


def test_busy_machine_is_warned_about():
    found = {"load": 2.0, "governor": "powersave", "native": {"backend": "native"}}
    assert [line.partition(":")[0] for line in machine.warn(found)] == [
        "the machine is not quiet",
        "the frequency governor is 'powersave'",
    ]


def test_a_result_that_disagrees_is_said_and_never_the_best():
    agreement = {"same": 0, "of": 2, "what": "captions", "error": 0.5}
    wrong = {
        "name": "pycap",
        "kind": "pycap",
        "dtype": "float32",
        "counts": True,
        "seconds": 1.0,
        "spread": 0.0,
    }
    wrong |= {"agreement": agreement, "agrees": False, "floor": None, "share": None, "memory": None}
    measured = {"results": [wrong], "items": 1}
    assert report.best_of_pycap(measured) is None
    assert report.table(measured)[1][-1] == "0/2 captions, error 0.5: DISAGREES"


def test_limits_without_a_compiler_come_from_torch(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(peaks, "compile_kernels", lambda: None)
    found = peaks.measure(1, {"L2": 1 << 16, "L3": 1 << 18}, quick=True)
    assert found["how"].startswith("no C++ compiler")
    assert found["gflops"][0] > 0


def test_unknown_row_is_a_usage_error():
    done = run_module("bench", "nothing")
    assert done.returncode == 2
    assert "no row 'nothing'; there are decode," in done.stderr


SETTINGS = Settings(threads=1, peers=())


@pytest.mark.parametrize("batch", [1, 16])
def test_speed_of_beam_search(benchmark: BenchmarkFixture, batch: int):
    case = decode.make_case(decode.Shape(batch, 2_500), SETTINGS)
    benchmark(case.contenders[0].run)


def test_speed_of_attend_lstm(benchmark: BenchmarkFixture):
    benchmark(next(attend_lstm.cases(SETTINGS)).contenders[0].run)


def test_speed_of_sampling_and_reward(benchmark: BenchmarkFixture):
    benchmark(next(self_critical.cases(SETTINGS)).contenders[0].run)


def test_peer_that_never_looks_at_the_host_searches_as_pycap_does():
    weights, features = draw_weights(60, 16), draw_features(5, 6, 16)
    weights.output_vocab_bias[2] = 5.0  # sentences of several lengths
    peer = GraphablePeer(60, 3, Start(weights), Round(weights, 6), "cpu")
    sentences, scores = peer.search(features, 7)
    found = BeamDecoder(weights).search(features, beam=3, max_length=7)
    assert torch.equal(sentences, found.tokens[:, 0])
    assert len(set(found.lengths.flatten().tolist())) > 1
    torch.testing.assert_close(scores, found.scores[:, 0].float(), atol=1e-4, rtol=0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU to measure")
def test_gpu_benchmark_says_in_one_line_that_there_is_no_gpu():
    done = run_module("bench.gpu")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("python -m bench.gpu: nothing to measure: ")
    assert done.stderr.count("\n") == 1


def test_gpu_tables_show_ratios_and_shares_of_the_floor():
    limits = {"bytes": 4e12, "bf16": 8e14, "float32": 5e13, "barrier": 1e-6, "launch": 2e-6}
    results = [
        gpu.Result("decode", "batch 1", "pycap, persistent", 2e-4, 1e-6, floor=1e-4),
        gpu.Result("decode", "batch 1", "PyTorch eager", 2e-2, 1e-4, floor=1e-4, agrees="1 of 1"),
    ]
    document = {
        "gpu": "G",
        "torch": "2",
        "date": "d",
        "limits": limits,
        "results": [vars(r) for r in results],
    }
    lines = "\n".join(gpu.tables(document))
    assert "| pycap, persistent | 200.0 us | 1.0 us | 1.00 | 50 % |" in lines
    assert "| PyTorch eager | 20.000 ms | 100.0 us | 100.00 | 0 % |" in lines
    assert gpu.decode_floor(1, 10_000, limits) == pytest.approx(5 * 16 * 1e-6)  # barriers
    assert gpu.decode_floor(256, 10_000, limits) > gpu.decode_floor(64, 10_000, limits)


@pytest.mark.parametrize("row", ["decode, int8", instructions.TRAIN])
def test_instructions_are_counted_of_calls_that_run(tmp_path: Path, row: str):
    instructions.write_problem(tmp_path)
    done = run_module("bench.instructions", "--child", row, "1", str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_instructions_name_a_row_that_is_none():
    done = run_module("bench.instructions", "decode, float64")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("no row begins with decode, float64")


def test_rows_of_the_ablation_learn_from_words_alone_and_differ():
    found = set()
    for settings in ablation.ROWS.values():
        config = Config()
        for setting, value in {**ablation.BASE, **settings}.items():
            config = change(config, setting, str(value))
        assert [phase.epochs for phase in make_phases(config, None, None, expected=max)] == [3]
        found.add(config)
    assert len(found) == len(ablation.ROWS)
