"""Week 5: one vector against attention, by length of the input; who looks where; regions that look at each other."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import torch

from pycap.course.lab import Lab
from pycap.course.week5.dates import Line, source_codes, split_days, split_tokens, target_codes, write_line
from pycap.course.week5.training import MOST_DATES, count_right, encode_lines, train_translator
from pycap.course.week5.translator import KINDS, Translator
from pycap.course.week5.twins import LAYERS, draw_pictures, train_finder

WIDTH = 96
BINS = ((5, 10), (11, 15), (16, 20), (21, 25), (26, 30), (31, 35), (36, 45), (46, 70))  # tokens of an input
SHOWN = Line("saturday, 14 mar 1987 and 9/3/2041", "1987-03-14 2041-09-03", 2)
COLOURS = {"none": "#8a8f98", "dot-product": "#2a7fb8", "additive": "#d1495b"}


def run(lab: Lab) -> None:
    """Train a translator of each kind and three twin finders; draw alignment and a photo's attention."""
    train_days, test_days = split_days(5000, lab.seed)
    lab.say(f"{len(train_days)} days to train on, {len(test_days)} to test on, none in both")
    translators = {kind: _train(lab, kind, train_days) for kind in KINDS}
    _compare(lab, translators, test_days)
    draw_alignment(lab, translators)
    _find_twins(lab)
    draw_photo(lab)


def _train(lab: Lab, kind: str, days: np.ndarray) -> Translator:
    """Train one translator; all kinds see the same lines in the same order."""
    torch.manual_seed(lab.seed)
    source, target = source_codes(), target_codes()
    total, batch = (220, 32) if lab.quick else (800, 64)
    model = Translator(kind, len(source), len(target), WIDTH)
    steps = lab.progress(range(total), f"attention: {kind}", total)
    train_translator(model, days, (source, target), steps, total, batch, lab.seed)
    return model


def _compare(lab: Lab, translators: dict[str, Translator], days: np.ndarray) -> None:
    codes, random = (source_codes(), target_codes()), np.random.default_rng(lab.seed + 1)
    each = 150 if lab.quick else 600
    tests = {
        count: [write_line(days, count, random) for _ in range(each)] for count in range(1, MOST_DATES + 2)
    }
    found = {
        kind: {count: count_right(model, lines, codes) for count, lines in tests.items()}
        for kind, model in translators.items()
    }
    rows = []
    for count, lines in tests.items():
        length = np.mean([len(split_tokens(line.source)) for line in lines])
        never = " (never trained)" if count > MOST_DATES else ""
        shares = {kind: round(float(found[kind][count][1].mean()), 3) for kind in KINDS}
        rows.append({"dates in a line": f"{count}{never}", "tokens": round(float(length), 1), **shares})
    lab.table(f"share of unseen dates translated right, {each} lines a row", rows)

    rows = []
    for low, high in BINS:
        row = {"input tokens": f"{low}-{high}"}
        for kind in KINDS:
            lengths, shares = (
                np.concatenate([found[kind][count][part] for count in tests if count <= MOST_DATES])
                for part in (0, 1)
            )
            inside = (lengths >= low) & (lengths <= high)
            row |= {
                "lines": int(inside.sum()),
                kind: round(float(shares[inside].mean()), 3) if inside.any() else None,
            }
        if row["lines"] >= 5:
            rows.append(row)
    lab.table("the same by length of the input, lines of one to three dates", rows)
    draw_accuracy(lab, rows)


def draw_accuracy(lab: Lab, rows: list[dict]) -> None:
    """Draw the share of dates translated right against the length of the input, from the table's rows."""
    centres = [sum(map(int, row["input tokens"].split("-"))) / 2 for row in rows]
    alt = "Share of dates translated right against the length of the input, with and without attention"
    styles = {"none": "o-", "dot-product": "s-", "additive": "o--"}
    sizes = {"dot-product": 9}  # larger, for it lies below the other
    with lab.picture("accuracy_by_length", alt, size=(6.2, 3.6)) as (_, axes):
        for kind in KINDS:
            label = "no attention: one vector" if kind == "none" else f"{kind} attention"
            shares = [row[kind] for row in rows]
            axes.plot(
                centres, shares, styles[kind], color=COLOURS[kind], label=label, markersize=sizes.get(kind, 5)
            )
        axes.set(xlabel="tokens of the input", ylabel="dates translated right", ylim=(-0.03, 1.05))
        axes.legend(loc="center right", bbox_to_anchor=(1, 0.62))


def draw_alignment(lab: Lab, translators: dict[str, Translator]) -> None:
    """Draw where additive attention looked for each token of one line; print what every translator wrote."""
    codes = source_codes(), target_codes()
    source, lengths, _ = encode_lines([SHOWN], *codes)
    read = [*split_tokens(SHOWN.source), "end"]
    alt = "Rows: what is written; columns: what is read; bright: where additive attention looked"
    model = translators["additive"]
    tokens, weights = model.translate(source, lengths, 40)
    written = [codes[1].tokens[token] for token in tokens[0].tolist()]
    with lab.picture("alignment", alt, size=(6.4, 5.4)) as (figure, axes):
        shown = axes.imshow(weights[0].numpy(), cmap="magma", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(read)), [_show_token(token) for token in read], rotation=90)
        axes.set_yticks(range(len(written)), [_show_token(token) for token in written])
        axes.grid(False)
        axes.set(xlabel="read", ylabel="written")
        figure.colorbar(shown, ax=axes, label="weight", shrink=0.7)
    lab.say(f"read:    {SHOWN.source}")
    for kind, other in translators.items():
        tokens, _ = other.translate(source, lengths, 40)
        lab.say(f"{kind}: {codes[1].decode(tokens[0].tolist())}")


def _show_token(token: str) -> str:
    return {" ": "␣", "<end>": "end"}.get(token, token)


def _find_twins(lab: Lab) -> None:
    """Train one encoder layer of each kind on the twin task; draw who looks at whom in the one that can."""
    steps = 300 if lab.quick else 1000
    rows, finders = [], {}
    for layer in lab.progress(LAYERS, "twins"):
        finders[layer], accuracy = train_finder(layer, steps, lab.seed)
        rows.append({"encoder layer": layer, "regions judged right": round(accuracy, 3)})
    lab.table("which region has a twin? (guessing: 0.5)", rows)
    regions, twin = draw_pictures(1, torch.Generator().manual_seed(lab.seed + 7))
    distance = torch.cdist(regions, regions)[0] + 99 * torch.eye(regions.shape[1])
    partner = [int(distance[place].argmin()) if has else None for place, has in enumerate(twin[0].tolist())]
    with torch.no_grad():
        weights = finders["self"](regions)[1][0]
    alt = "Self-attention over twelve regions; squares mark where a region's twin is"
    with lab.picture("twins", alt, columns=2, size=(7.4, 3.7)) as (_, panels):
        strength = [
            float(np.mean([head[i, j] for i, j in enumerate(partner) if j is not None])) for head in weights
        ]
        for axes, head in zip(panels, np.argsort(strength)[::-1][:2], strict=True):
            axes.imshow(weights[head].numpy(), cmap="magma", vmin=0)
            for row, column in enumerate(partner):
                if column is not None:
                    axes.plot(
                        column, row, "s", markersize=13, markerfacecolor="none", markeredgecolor="#3cb8bd"
                    )
            axes.grid(False)
            axes.set(title=f"head {head + 1}", xlabel="region looked at", ylabel="region that looks")
            axes.set_xticks(range(0, 12, 2))
            axes.set_yticks(range(0, 12, 2))


def draw_photo(lab: Lab) -> None:
    """Caption a photo that Matplotlib ships, and draw the captioner's two kinds of attention on it."""
    from PIL import Image

    from pycap import Captioner
    from pycap.figure import draw_attention

    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    with Image.open(path) as file:
        image = file.convert("RGB")
    caption = Captioner.load()(image)
    picture = draw_attention(image, caption)
    picture.thumbnail((800, 800))
    target = lab.folder / "photo_attention.png"
    picture.quantize(72).save(target, optimize=True)
    lab.say(f"{path.name}: {caption.text}")
    lab.say(f"picture: {target}")
