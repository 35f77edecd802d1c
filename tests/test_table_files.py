"""Tables from files: every dialect of CSV, Parquet, Arrow, folders, and their errors."""

import bz2
import gzip
import re

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
pytest.importorskip("narwhals")

from pyarrow import feather, parquet  # noqa: E402

from regnet_c.tables.columns import ArrayColumn  # noqa: E402
from regnet_c.tables.readers import Dialect, kind_of, read_table  # noqa: E402
from regnet_c.tables.task import class_weights, encode_target, learn_target  # noqa: E402


def write(tmp_path, text, name="t.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def cells(table):
    """The values of a table's columns by name."""
    return {column.name: column.values.to_pylist() for column in table.columns}


def test_numbers_booleans_and_text(tmp_path):
    text = "a, b ,c,d,e\n1, 2.5,x ,TRUE,\n-3,1e3,,false,\n"
    assert cells(read_table(write(tmp_path, text))) == {
        "a": [1, -3],
        "b": [2.5, 1000.0],
        "c": ["x", None],
        "d": [True, False],
        "e": [None, None],
    }


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path, delimiter):
    text = (
        f"a{delimiter}b,c\n1{delimiter}2\n3{delimiter}4\n" if delimiter != "," else ""
    )
    text = text or "a,b\n1,2\n3,4\n"
    table = read_table(write(tmp_path, text, "t.txt"))
    assert [column.values.to_pylist() for column in table.columns] == [[1, 3], [2, 4]]
    assert any("separated" in note for note in table.notes) == (delimiter != ",")
    given = read_table(write(tmp_path, "a#b\n1#2\n"), dialect=Dialect(delimiter="#"))
    assert cells(given) == {"a": [1], "b": [2]}


def test_semicolons_and_decimal_commas(tmp_path):
    text = "a;b;c\n1,5;1.234,5;x\n-2;12.345.678;1,2,3\n"
    table = read_table(write(tmp_path, text))
    expected = {"a": [1.5, -2.0], "b": [1234.5, 12345678.0], "c": ["x", "1,2,3"]}
    assert cells(table) == expected
    assert "numbers with a decimal comma (--decimal . overrides)" in table.notes
    table = read_table(write(tmp_path, text), dialect=Dialect(decimal="."))
    assert cells(table)["a"] == ["1,5", "-2"]


def test_thousands_are_read_if_asked_for(tmp_path):
    text = 'a,b\n"1,234.50","$1"\n"12","$2"\n'
    path = write(tmp_path, text)
    assert cells(read_table(path))["a"] == ["1,234.50", "12"]
    table = read_table(path, dialect=Dialect(thousands=","))
    assert cells(table) == {"a": [1234.5, 12.0], "b": ["$1", "$2"]}
    table = read_table(
        write(tmp_path, "a\n1 234\n5\n"), dialect=Dialect(delimiter=",", thousands=" ")
    )
    assert cells(table) == {"a": [1234, 5]}


def test_codes_and_odd_numbers_stay_as_written(tmp_path):
    text = (
        "code,level,hex,big\n007,1_1,0x1F,9007199254740993\n08,11,2,9007199254740992\n"
    )
    assert cells(read_table(write(tmp_path, text))) == {
        "code": ["007", "08"],
        "level": ["1_1", "11"],
        "hex": ["0x1F", "2"],
        "big": [2**53 + 1, 2**53],
    }
    table = read_table(write(tmp_path, "y\n1e3\n2\n"), text=["y"])
    assert cells(table) == {"y": ["1e3", "2"]}


def test_words_are_missing_among_numbers_and_levels_in_text(tmp_path):
    text = "x,y,z\n1,NA,?\nNA,none,b\nnull,,b\n"
    path = write(tmp_path, text)
    expected = {"x": [1, None, None], "y": ["NA", "none", None], "z": [None, "b", "b"]}
    assert cells(read_table(path)) == expected
    table = read_table(path, dialect=Dialect(missing=("none", "NA", "null")))
    assert cells(table) == {
        "x": [1, None, None],
        "y": [None, None, None],
        "z": ["?", "b", "b"],
    }


def test_quotes_line_breaks_marks_and_empty_lines(tmp_path):
    text = '\ufeff\r\n"a, b",c\r\n"two\nlines ""q""",1\r\n\r\nx,2\r\n'
    table = read_table(write(tmp_path, text))
    assert cells(table) == {"a, b": ['two\nlines "q"', "x"], "c": [1, 2]}
    assert [table.place(row) for row in range(2)] == ["line 3", "line 6"]


def test_a_table_without_a_header(tmp_path):
    table = read_table(write(tmp_path, "1,a\n2,b\n"), dialect=Dialect(header=False))
    assert cells(table) == {"column_1": [1, 2], "column_2": ["a", "b"]}
    assert table.place(0) == "line 1"


@pytest.mark.parametrize(("opener", "suffix"), [(gzip, "gz"), (bz2, "bz2")])
def test_compressed_files(tmp_path, opener, suffix):
    path = tmp_path / f"t.csv.{suffix}"
    with opener.open(path, "wt", encoding="utf-8") as file:
        file.write("a;b\n1;ü\n")
    assert cells(read_table(path)) == {"a": [1], "b": ["ü"]}


def test_only_the_wanted_columns_in_their_order(tmp_path):
    path = write(tmp_path, "a,b,c\n1,2,3\n")
    assert cells(read_table(path, columns=["c", "a"])) == {"c": [3], "a": [1]}
    table = pa.table({"a": [1], "b": [2], "c": [3]})
    parquet.write_table(table, tmp_path / "t.parquet")
    feather.write_feather(table, tmp_path / "t.feather")
    for name in ("t.parquet", "t.feather"):
        assert cells(read_table(tmp_path / name, ["c", "a"])) == {"c": [3], "a": [1]}


def test_a_folder_is_one_table(tmp_path):
    (tmp_path / "parts").mkdir()
    for i, text in enumerate(("1,x\n2,y\n", "2.5,z\n")):
        write(tmp_path / "parts", "a,b\n" + text, f"part{i}.csv")
    write(tmp_path / "parts", "", "_SUCCESS")
    table = read_table(tmp_path / "parts")
    assert cells(table) == {"a": [1.0, 2.0, 2.5], "b": ["x", "y", "z"]}


def test_rows_are_taken(tmp_path):
    table = read_table(write(tmp_path, "a,b\n1,x\n2,y\n3,z\n"))
    assert cells(table.take(np.array([2, 0]))) == {"a": [3, 1], "b": ["z", "x"]}
    assert [column.name for column in table.without(["a"])] == ["b"]
    with pytest.raises(ValueError, match="no column 'A', did you mean 'a'"):
        table["A"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv is empty, expected a header line"),
        ("a,b\n", "t.csv has a header but no rows"),
        ("a,b,a\n1,2,3\n", "t.csv has the column 'a' twice"),
        ('a,b\n"x\ny",1\n2\n', "t.csv line 4 has 1 entries, expected 2"),
        ("a,b\n1,2\n\n1,2,3\n", "t.csv line 4 has 3 entries, expected 2"),
    ],
)
def test_broken_files_are_refused_with_the_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        read_table(write(tmp_path, text))


def test_bytes_that_are_no_text_are_refused_with_the_line(tmp_path):
    path = write(tmp_path, "a,b\n1,x\n2,ü\n", encoding="latin-1")
    with pytest.raises(ValueError, match="t.csv line 3 is not UTF-8 text"):
        read_table(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="ends in '.xlsx', expected .csv"):
        kind_of("t.xlsx")
    for name in ("t.parquet", "t.feather"):
        with pytest.raises(ValueError, match="is not a"):
            read_table(write(tmp_path, "a,b\n1,2\n", name))
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="did you mean 'town'"):
        read_table(write(tmp_path, "town,x\nBern,1\n"), columns=["Twon"])


# ---- targets -------------------------------------------------------------------------


def target(values, task="auto", where="t.csv"):
    values = np.array(values, dtype=object)
    return learn_target(ArrayColumn("y", values), task, where)


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"] * 3, "classification"),
        ([True, False, True, False], "classification"),
        ([0, 1, 2] * 5, "classification"),
        (["0", "1", "2"] * 5, "classification"),
        (["007", "08", "1e3"] * 2, "classification"),
        (["1_1", "11", "1_0"] * 2, "classification"),
        ([0.5, 1.0] * 50, "regression"),
        (list(range(45)), "regression"),
        (list(range(21)) * 10, "regression"),
        ([0, 1, 2] * 3, "regression"),
        ([5] * 4, "regression"),
        (["392.5", "12", "7"], "regression"),
    ],
)
def test_the_task_follows_from_the_target(values, task):
    found = target(values)
    assert found.task == task and found.reason
    assert (found.classes is None) == (task == "regression")
    other = {"classification": "regression", "regression": "classification"}[task]
    if other == "classification" and len(set(values)) > 1:
        assert target(values, other).classes is not None


def test_classes_stay_as_written_and_numbers_come_in_order():
    assert target(["10", "9", "10", "9", "x", "x"]).classes == ["9", "10", "x"]
    found = target(["007", "08", "1e3", "007", "08", "1e3"])
    assert (
        found.classes == ["007", "08", "1e3"] and found.values.tolist() == [0, 1, 2] * 2
    )
    ids = [2**53, 2**53 + 1] * 5
    assert target(ids).classes == [str(2**53), str(2**53 + 1)]


def test_rows_without_a_target_are_marked():
    found = target(["a", None, "b", "a", "b", "a"])
    assert found.present.tolist() == [True, False, True, True, True, True]
    assert found.values[1] == -1
    assert target([0.5, None, 1.5]).present.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        (
            ["$1,234.50", "$7", "$8"],
            "auto",
            r"text, mostly distinct \(such as '\$1,234.50'",
        ),
        (["392,50", "1,5", "7,25"], "auto", "such as '392,50'"),
        (["a", "b"], "regression", "has 'a', expected a number"),
        ([None, None], "auto", "has no values"),
        (["a", "a", "a"], "auto", "has one class only, 'a'"),
        ([1.0, float("inf")], "regression", "has inf, .* in row 1"),
    ],
)
def test_targets_that_say_nothing_are_refused(values, task, message):
    with pytest.raises(ValueError, match=message):
        target(values, task)


def test_targets_of_other_rows():
    column = ArrayColumn("y", np.array(["b", "a", None], dtype=object))
    values, present = encode_target(column, ["a", "b"])
    assert values.tolist() == [1, 0, -1] and present.tolist() == [True, True, False]
    with pytest.raises(ValueError, match="has the class 'b', the model knows a, c"):
        encode_target(column, ["a", "c"])
    column = ArrayColumn("y", np.array([1.5, np.nan]))
    values, present = encode_target(column, None)
    assert values[0] == 1.5 and present.tolist() == [True, False]


def test_class_weights_give_each_class_the_same_total():
    values = np.array([0, 0, 0, 2])
    weights = class_weights(values, 3)
    assert weights.sum() == 4 and weights[:3].sum() == weights[3] == 2
