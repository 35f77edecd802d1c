"""Prune: how many weights are left after each epoch, and which."""

import numpy as np
import pytest

import regnet_c as rn


class Record(rn.Callback):
    """The weights at the end of each epoch, as the callbacks before left them."""

    def on_train_begin(self, network):
        self.network, self.seen = network, []

    def on_epoch_end(self, epoch, logs):
        self.seen.append(self.network.get_weights())

    def left(self):
        return [sum(np.count_nonzero(w) for w in ws[::2]) for ws in self.seen]


@pytest.fixture
def trained(rng):
    """(record before pruning, record after) of eight epochs of a 20-30-4 network."""
    x = rng.normal(size=(200, 20))
    net = rn.Network([rn.Dense(20, 30, activation="tanh"), rn.Dense(30, 4)])
    before, after = Record(), Record()
    callbacks = [before, rn.Prune(0.1, 2, 6), after]
    net.fit(x, x[:, :4], 8, 20, callbacks=callbacks, keep_zeros=True)
    return before, after


def test_the_share_left_falls_along_a_cube(trained):
    shares = [1, 1, 0.1 + 0.9 * 0.75**3, 0.1 + 0.9 / 8, 0.1 + 0.9 / 64, 0.1, 0.1, 0.1]
    prune = rn.Prune(0.1, 2, 6)
    assert [prune.share(e) for e in range(1, 9)] == pytest.approx(shares)
    assert trained[1].left() == [round(720 * share) for share in shares]


def test_the_largest_of_all_layers_are_left_as_they_were(trained):
    for old, new in zip(trained[0].seen, trained[1].seen, strict=True):
        gone = np.concatenate([abs(w[v == 0]) for w, v in zip(old, new, strict=True)])
        kept = np.concatenate([abs(v[v != 0]) for v in new[::2]])
        assert gone.max(initial=0) < kept.min()
        for w, v in zip(old, new, strict=True):
            np.testing.assert_array_equal(v[v != 0], w[v != 0])


def test_biases_are_left_alone(trained):
    for old, new in zip(trained[0].seen, trained[1].seen, strict=True):
        np.testing.assert_array_equal(old[1], new[1])
        np.testing.assert_array_equal(old[3], new[3])


def test_pruned_weights_stay_zero_with_keep_zeros(trained):
    for now, later in zip(trained[1].seen[:-1], trained[1].seen[1:], strict=True):
        assert not later[0][now[0] == 0].any() and not later[2][now[2] == 0].any()


def test_what_a_penalty_has_made_sparse_is_not_pruned(rng):
    x = rng.normal(size=(100, 20))
    net = rn.Network([rn.Dense(20, 4, weight_penalty=rn.L1(10.0))])
    prune = [rn.Prune(0.5, 0, 1)]
    net.fit(x, x[:, :4], 2, 20, rn.SGD(0.1), callbacks=prune, keep_zeros=True)
    assert net.zeros() == 1


def test_at_least_one_weight_is_left(rng):
    x, net = rng.normal(size=(20, 3)), rn.Network([rn.Dense(3, 1)])
    net.fit(x, x[:, :1], 1, callbacks=[rn.Prune(0.01, 0, 1)], keep_zeros=True)
    assert np.count_nonzero(net.get_weights()[0]) == 1


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((0, 1, 2), "density"), ((1.1, 1, 2), "density"), ((0.5, -1, 2), "begin"),
     ((0.5, 3, 3), "end")],
)  # fmt: skip
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(ValueError, match=name):
        rn.Prune(*arguments)
