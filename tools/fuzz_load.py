"""Fuzzes `Network.load` with atheris (pip install atheris), guided by coverage.

    python tools/fuzz_load.py FOUND tests/corpus -max_total_time=300 -max_len=6000

Starts from the corpus and writes what takes a new way to FOUND, an existing folder, from
where it may be copied to the corpus.  Options are those of libFuzzer.  Three of four files
get a length and a checksum that fit: else every change would end there.  What must hold is
in tests/fuzzed.py; what does not is written to crash-*.
"""

import random
import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

with atheris.instrument_imports(include=["regnet_c"]):
    import fuzzed

WORDS = """Dense Dropout n_in n_out activation weight_penalty bias_penalty weight_init
    use_bias max_norm activation_param relu leaky_relu elu sigmoid tanh softmax identity
    L1 L2 ElasticNet GroupLasso SparseGroupLasso NonNegative type rule proximal
    cumulative shrink_first subgradient sign_at_zero groups units inputs non_negative
    softmax_cross_entropy binary_cross_entropy squared_error huber quantile poisson
    float32 float64 F32 F64 shape data_offsets metadata structure loss param seed dtype
    true false null NaN Infinity 1e308 -1 0.5 regnet_c.inputs kept n""".split()


def mutate(data, max_size, seed):
    """libFuzzer's change, or a word put for another; then mostly repaired."""
    chance = random.Random(seed)
    if chance.random() < 0.5:
        data = atheris.Mutate(data, max_size)
    else:
        old, new = chance.choice(WORDS).encode(), chance.choice(WORDS).encode()
        at = bytes(data).find(old, chance.randrange(max(1, len(data))))
        data = bytes(data)
        data = data[:at] + new + data[at + len(old) :] if at >= 0 else data + new
    if chance.random() < 0.75:
        data = fuzzed.repaired(bytes(data))
    return data[:max_size]


def main():
    memory = Path("/dev/shm")  # where a file is no work for a disk
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:

        def one(data):
            fuzzed.check(data, Path(folder))

        atheris.Setup(sys.argv, one, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
