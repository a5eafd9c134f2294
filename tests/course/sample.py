"""A made-up unit whose lesson has everything that a lesson may have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

LESSON = r'''# Week 3: Sequences and their memory

Afterwards you can follow a *state* through time with **two** lines of code, see
[the week before](../week2/lesson.md#a-state-in-time) and
[below](#the-experiment), and know why plain recurrence forgets. The captioner needs it for each word.

- **Time**: reading 40 min, experiment 2 min (20 s with `--quick`), assignments 3 h
- **Hardware**: two CPU cores, 2 GB
- **Data**: none
- **Code**: `pycap/nn/attention.py`, `pycap/ops/recurrence.py`

## A state in time

The state $\mathbf{h}_t = \tanh(\mathbf{W}_{xh}\mathbf{x}_t + \mathbf{W}_{hh}\mathbf{h}_{t-1})$ costs \$5, or $5 and $6,
and $a_1 * b_1 * c_1$ stays whole. See [Elman 1990](https://doi.org/10.1207/s15516709cog1402_1).

$$
\frac{\partial L}{\partial \mathbf{h}_1} = \frac{\partial L}{\partial \mathbf{h}_T} \prod_{t=2}^{T}
\frac{\partial \mathbf{h}_t}{\partial \mathbf{h}_{t-1}}
$$

$$
\begin{aligned}
\mathbf{f}_t &= \sigma(\mathbf{W}_f \mathbf{x}_t + \mathbf{U}_f \mathbf{h}_{t-1} + \mathbf{b}_f) \\
\mathbf{c}_t &= \mathbf{f}_t \odot \mathbf{c}_{t-1} + \mathbf{i}_t \odot \mathbf{g}_t
\end{aligned}
$$

$$\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix} \begin{bmatrix} x \\ y \end{bmatrix}
= \begin{cases} 1 & x > 0 \\ 0 & \text{otherwise} \end{cases}$$

```python
import numpy as np

def step(x, h, weight):  # (inputs,), (hidden,), (hidden, hidden + inputs)
    """One step of a plain recurrent net."""
    return np.tanh(weight @ np.concatenate([h, x]))

state = step(np.ones(2), np.zeros(3), np.full((3, 5), 0.1))
assert state.shape == (3,)
print(f"the state is {state.round(3)}")
```

![Norm of the gradient by step: the plain net's falls to nothing within 20 steps, the LSTM's stays](figures/norms.png)

> A quote with `code` and a formula $x^2$.

### Gates, one by one

1. forget
   - what
   - how
2. input

   with a second paragraph

## The experiment

`pycap course run 3` trains both on the same series:

| model | parameters | RMSE | direction | remark |
| :--- | ---: | ---: | :---: | --- |
| last value | 0 | 0.0121 | 0.50 | what everybody forgets to print beside the forecast |
| linear, $k = 5$ | 6 | 0.0122 | 0.51 | `sklearn.linear_model` |
| LSTM | 4,513 | 0.0121 | 0.52 | two layers, trained 30 epochs on 80 % of the series |

```sh
pycap course run 3 --quick
```

## What goes wrong, and why

The loss is NaN: gradients explode, $\lVert \mathbf{g} \rVert > 10^3$; clip them.

## Assignments

- `step`: one step of the recurrence

`pycap course start 3 work` writes the skeletons, `pycap course check 3 work` grades them.

## Questions

1. Why does the gradient vanish?
2. What is $\sigma(0)$?
3. Third?
4. Fourth?

## Answers

1. It is a product of factors below 1.
2. $\frac{1}{2}$, because $\sigma(x) = \frac{1}{1+e^{-x}}$.
3. Yes.
4. No.

## Where the captioner uses this

`pycap/ops/recurrence.py`.

## References

- J. Elman, *Finding structure in time*, Cognitive Science 14, 1990, doi:10.1207/s15516709cog1402_1
'''


@dataclass(frozen=True)
class Sample:
    """A unit that lies in a folder of its own; the fields are those of `pycap.course.units.Unit`."""

    name: str
    home: Path
    weeks: str = "3"
    title: str = "Sequences"
    purpose: str = "Carry a state through time."
    quick: str = "20 s"
    full: str = "2 min"

    @property
    def folder(self) -> Path:
        return self.home / self.name

    @property
    def lesson(self) -> Path:
        return self.folder / "lesson.md"

    @property
    def heading(self) -> str:
        return f"{self.name[:-1].capitalize()} {self.name[-1]}"


def write_unit(home: Path, name: str, lesson: str = LESSON) -> Sample:
    """Write a unit's lesson and its picture."""
    unit = Sample(name, home)
    (unit.folder / "figures").mkdir(parents=True)
    unit.lesson.write_text(lesson.replace("Week 3:", f"{unit.heading}:"), encoding="utf-8")
    Image.new("RGB", (80, 40), "white").save(unit.folder / "figures" / "norms.png")
    return unit
