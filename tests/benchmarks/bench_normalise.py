"""Normal forms: values a CPU-second of each normaliser, all values distinct, most of them in plain ASCII.

    python tests/benchmarks/bench_normalise.py [VALUES ...]

One value in twenty is written with letters or digits beyond ASCII; one phone number in ten is of a plan whose rules the library is
asked for.
"""

import sys
import time

import numpy as np
import polars as pl

from graph.normalise import NORMALISERS, is_disposable_email, is_voip_phone, normalise


def made(n_values: int) -> dict[str, list[list[str]]]:
    """Source columns of each normaliser."""
    draw = np.random.default_rng(0)
    number = draw.permutation(n_values)
    other = draw.random(n_values) < 0.05
    plan = draw.random(n_values) < 0.1
    return {
        "token": [[f"d{value:014x}" for value in number]],
        "ip": [
            [
                f"2a02:{value >> 16:x}:{value & 65535:x}::{value:x}" if is_v6 else f"{20 + value % 60}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"
                for value, is_v6 in zip(number, draw.random(n_values) < 1 / 3, strict=True)
            ]
        ],
        "phone": [
            [
                f"+55 11 9{value:08d}" if asked else f"+1 ({200 + value % 700}) {200 + value % 799}-{value % 10_000:04d}{'٤' if is_other else ''}"
                for value, asked, is_other in zip(number, plan, other, strict=True)
            ]
        ],
        "email": [[f"{'é' if is_other else 'Jo.'}{value}+shop@{('Gmail.com', 'mail.example')[value % 2]}" for value, is_other in zip(number, other, strict=True)]],
        "national_id": [[f"{value:09d}{'é' if is_other else '-1'}" for value, is_other in zip(number, other, strict=True)]],
        "person": [
            [f"Dr. {'Zoë' if is_other else 'Zoe'} Q. de la Mora{value}" for value, is_other in zip(number, other, strict=True)],
            ["1980-02-03"] * n_values,
        ],
        "address": [
            [f"{value} North {'Élm' if is_other else 'Elm'} Street, Apt #{value % 90}" for value, is_other in zip(number, other, strict=True)],
            [f"{value % 99_999:05d}" for value in number],
        ],
    }  # fmt: skip


def measure(n_values: int) -> None:
    values = made(n_values)
    work = {name: normalise(name, *(pl.col(f"c{n}") for n in range(len(values[name])))) for name in NORMALISERS}
    flags = {"disposable": ("email", is_disposable_email(pl.col("c0"))), "voip": ("phone", is_voip_phone(pl.col("c0")))}
    for name, (source, form) in ({name: (name, form) for name, form in work.items()} | flags).items():
        frame = pl.DataFrame({f"c{place}": column for place, column in enumerate(values[source])})
        frame.head(1).select(form)  # loads tables and number plans
        start = time.process_time()
        found = frame.select(form=form)["form"]
        seconds = time.process_time() - start
        print(f"{n_values:>9,} values {name:>12} {seconds:7.2f} CPU-s {n_values / seconds:12,.0f} a CPU-second {found.n_unique():>9,} forms", flush=True)  # fmt: skip


if __name__ == "__main__":
    for wanted in sys.argv[1:] or ("200000", "1000000"):
        measure(int(wanted))
