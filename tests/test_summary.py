"""What users see of a network in a terminal or notebook: tables, mappings, reprs."""

import copy

import numpy as np
import pytest

import regnet_c as rn


@pytest.fixture
def network():
    layers = [
        rn.Dense(4, 3, "relu", weight_penalty=rn.L1(0.1)),
        rn.Dropout(0.5),
        rn.Dense(3, 2),
    ]
    net = rn.Network(layers, loss="softmax_cross_entropy")
    first = [[0, 0.25, -3], [0, 0, 2], [0, 0, 1], [0.5, 0, 0.5]]
    net.set_weights([np.array(first), np.zeros(3), np.ones((3, 2)), np.zeros(2)])
    return net


TABLE = """\
layer  n_in  n_out  weights  sum|w|  zeros
    0     4      3       12    7.25  50.0%
    1     3      2        6       6   0.0%
  all                    18   13.25  33.3%"""


def test_a_summary_is_a_list_of_dicts_that_prints_as_a_table(network):
    summary = network.summary()
    assert isinstance(summary, list) and len(summary) == 2
    assert summary[0] == {
        "n_in": 4,
        "n_out": 3,
        "weights": 12,
        "sum_abs": 7.25,
        "zeros": 0.5,
    }
    assert repr(summary) == str(summary) == TABLE
    html = summary._repr_html_()
    assert html.count("<tr>") == 4 and "<td>50.0%</td>" in html
    assert len(repr(copy.copy(summary)[:0] or type(summary)()).splitlines()) == 1


def test_a_network_is_a_table_in_a_notebook(network):
    html = network._repr_html_()
    assert html.count("<tr>") == 4
    assert "<td>4 × 3</td><td>relu</td><td>L1(0.1)</td><td>50.0%</td>" in html
    assert "<td>Dropout(0.5)</td>" in html
    assert "softmax_cross_entropy" in html and "float32" in html


def test_the_html_of_a_network_escapes_what_users_name():
    html = rn.Network([rn.Dense(2, 1)], loss=rn.Loss("huber", 0.5))._repr_html_()
    assert "<p><b>Network</b> loss=" in html and "huber" in html
    rows = rn.summary.html_table(["<b>"], ["a & b"])
    assert rows == (
        "<table><tr><th>&lt;b&gt;</th></tr><tr><td>a &amp; b</td></tr></table>"
    )


def test_a_history_is_a_mapping():
    x = np.eye(4)
    history = rn.Network([rn.Dense(4, 1)]).fit(x, x[:, :1], epochs=2)
    names = ["loss", "penalty", "zeros", "learning_rate"]
    assert list(history) == list(history.keys()) == names and len(history) == 4
    assert "loss" in history and "val_loss" not in history
    assert dict(history.items()) == dict(history) == history.history
    assert (
        history.get("val_loss") is None and history["loss"] == history.history["loss"]
    )
    with pytest.raises(KeyError, match="val_loss"):
        history["val_loss"]
    assert history == history and history != copy.copy(history)
    assert len(rn.History()) == 0 and list(rn.History()) == []


def test_callbacks_show_their_settings():
    class Watch(rn.Callback):
        def __init__(self):
            self.every, self._seen = 3, 0

    assert repr(Watch()) == "Watch(every=3)"
    assert repr(rn.Callback()) == "Callback()"
    assert repr(rn.EarlyStopping(patience=2)) == "EarlyStopping(patience=2)"


def test_estimators_have_the_html_of_scikit_learn():
    pytest.importorskip("sklearn")
    html = rn.RegNetClassifier(l1=0.125)._repr_html_()
    assert "RegNetClassifier" in html and "0.125" in html
