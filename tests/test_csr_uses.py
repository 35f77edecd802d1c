"""What is used together with sparse rows, and what comes after training on them."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from running import bits
from test_csr import N_IN, N, labels, network, parts_of, rows_of, trained

import regnet_c as rn

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
import words

sys.path.pop(0)


@pytest.mark.parametrize("batch_size", [7, N])
@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_groups_of_several_inputs(batch_size, rate):
    groups = [[k, (k + 30)] for k in range(30)] + [list(range(60, N_IN))]
    penalty, x = rn.SparseGroupLasso(1e-3, 1e-3, groups), rows_of()
    found = [
        trained(
            rows, network(penalty=penalty, rate=rate), rn.Adam(), batch_size=batch_size
        )
        for rows in (x, parts_of(x))
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_entries_of_zero_and_empty_rows_change_nothing(share):
    """Below and above the density up to which entries are read one by one."""
    x = rows_of(share=share)
    x[:5] = 0
    rows, rng = parts_of(x), np.random.default_rng(0)
    full = parts_of(x + (rng.random(x.shape) < 0.04) * (x == 0))
    full.data[x[np.nonzero(x + (full_of(full) != 0))] == 0] = 0
    assert len(full.data) > len(rows.data) and (full.data == 0).any()
    for optimizer in (rn.SGD(0.1), rn.Adagrad(0.05), rn.Adam()):
        want = trained(x, network(penalty=rn.L1(1e-3)), optimizer)
        for given in (rows, full):
            assert trained(given, network(penalty=rn.L1(1e-3)), optimizer) == want


def full_of(rows):
    """The dense rows of the parts of a CSR."""
    dense = np.zeros(rows.shape)
    row = np.repeat(np.arange(len(dense)), np.diff(rows.indptr))
    dense[row, rows.indices] = rows.data
    return dense


@pytest.mark.parametrize("index", ["int32", "int64"])
def test_scipy_matrices_with_either_index_in_any_order(index):
    sparse = pytest.importorskip("scipy.sparse")
    x = rows_of()
    row, column = np.nonzero(x)
    order = np.random.default_rng(0).permutation(len(row))
    rows = sparse.csr_array(x)
    rows.indices, rows.indptr = rows.indices.astype(index), rows.indptr.astype(index)
    for k in range(N):  # columns fall within each row
        part = slice(rows.indptr[k], rows.indptr[k + 1])
        rows.indices[part] = rows.indices[part][::-1].copy()
        rows.data[part] = rows.data[part][::-1].copy()
    twice = sparse.coo_array((x[row, column][order] / 2, (row[order], column[order])))
    twice = sparse.vstack([twice, twice]).tocsr()[:N] + twice  # adds, exactly
    before = rows.indices.copy(), rows.data.copy()
    net = network()
    np.testing.assert_array_equal(net.predict(rows), net.predict(x))
    np.testing.assert_array_equal(net.predict(twice), net.predict(x))
    np.testing.assert_array_equal(rows.indices, before[0])
    np.testing.assert_array_equal(rows.data, before[1])


def test_estimators_with_weights_and_held_out_rows():
    pytest.importorskip("sklearn")
    sparse = pytest.importorskip("scipy.sparse")
    x, y = rows_of(), labels()
    weight, found = np.random.default_rng(0).random(N), []
    options = {"preset": "plain", "hidden_layer_sizes": (8,), "max_iter": 4}
    options |= {
        "early_stopping": True,
        "class_weight": {0: 1, 1: 2, 2: 3},
        "random_state": 0,
    }
    for rows in (x, sparse.csr_matrix(x)):
        model = rn.RegNetClassifier(**options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(rows, y, sample_weight=weight).partial_fit(rows, y)
        found.append((bits(model.network_), model.predict_proba(rows).tobytes()))
    assert found[0] == found[1]


@pytest.fixture(scope="module")
def bags():
    rows, y, informative = words.Bags(200, 900, 20, length=60, contrast=2.0).make()
    layer = rn.Dense(900, 6, "relu", rn.GroupLasso(4e-3, "inputs"))
    net = rn.Network([layer, rn.Dense(6, 2)], "softmax_cross_entropy", seed=0)
    net.fit(rows, y, 30, 20, optimizer=rn.Adam(0.01))
    return rows, y, informative, net


def test_the_bags_are_the_same_everywhere(bags):
    rows, y, informative, _ = bags
    again, *rest = words.Bags(200, 900, 20, length=60, contrast=2.0).make()
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(again, name), getattr(rows, name))
    np.testing.assert_array_equal(rest[0], y)
    assert rows.shape == (200, 900) and len(informative) == 20
    assert len(np.unique(rows.indices)) == 900  # every word is somewhere
    lengths = np.add.reduceat(rows.data.astype(float) ** 2, rows.indptr[:-1])
    np.testing.assert_allclose(lengths, 1, rtol=1e-6)
    part = rows[3:9]
    np.testing.assert_array_equal(full_of(part), full_of(rows)[3:9])


def test_the_words_that_are_kept_are_those_that_matter(bags, tmp_path):
    rows, y, informative, net = bags
    vocabulary = np.array([f"word{k}" for k in range(900)])
    small = net.compact()
    kept = small.kept_inputs
    used = np.flatnonzero(net.get_weights()[0].any(axis=1))
    np.testing.assert_array_equal(kept, used)
    assert vocabulary[kept].tolist() == [f"word{k}" for k in used]
    assert 0 < len(kept) < 40
    assert np.isin(kept, informative).mean() > 0.4 > 20 / 900
    np.testing.assert_array_equal(small.predict(rows), net.predict(rows))
    report = small.to_c(tmp_path / "words", calibration=(rows, y))
    assert report["exported"] == pytest.approx(report["original"], abs=1e-6)
    assert net.to_c(tmp_path / "all")["flash"] > report["flash"]
    assert f"{kept[0]}, {kept[1]}" in (tmp_path / "words.h").read_text()


def test_names_come_through_the_encoder(tmp_path):
    pytest.importorskip("sklearn")
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pytest.importorskip("narwhals")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {name: [f"{name}{k:02d}" for k in rng.integers(0, 90, 900)] for name in "ab"}
    )
    y = frame["a"] < "a45"
    encoder = __import__("regnet_c.tables").tables.TableEncoder(min_frequency=1)
    model = rn.RegNetClassifier((4,), encoder=encoder, l1=3e-3, random_state=0)
    model.set_params(max_iter=30, dropout=0.0, n_members=1).fit(frame, y)
    assert model.encoder_.encoding_.mostly_zero
    kept = model.network_.compact().kept_inputs
    names = model.encoder_.feature_names[kept]
    assert 0 < len(kept) < 180
    assert sum(name.startswith("a=") for name in names) > len(names) / 2


def test_a_lassonet_chooses_words(bags):
    rows, y, informative, _ = bags
    layers = [rn.Dense(900, 6, "relu"), rn.Dense(6, 2)]
    net = rn.LassoNet(layers, 0.02, loss="softmax_cross_entropy", seed=0)
    net.fit(rows, y, 30, 20, optimizer=rn.Adam(0.01))
    chosen = net.selected()
    assert 0 < len(chosen) < 60
    assert np.isin(chosen, informative).mean() > 0.3


def test_ftrl_finds_words(bags):
    """Rare words learn as fast as frequent ones, and what is left is exactly zero."""
    rows, y, informative, _ = bags
    layer = rn.Dense(900, 1, weight_penalty=rn.ElasticNet(6e-3, 1e-4))
    net = rn.Network([layer], "binary_cross_entropy")
    net.fit(rows, y[:, None], 30, 20, optimizer=rn.FTRL())
    kept = np.flatnonzero(net.get_weights()[0])
    assert 0 < len(kept) < 60
    assert np.isin(kept, informative).mean() > 0.3
    assert net.evaluate(rows, y[:, None])["accuracy"] > 0.8
