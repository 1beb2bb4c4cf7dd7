"""What a command prints: one line a message, columns of one width, JSON without NaN."""

import pytest

from spinefrac.cli import output


def test_a_message_is_one_line_without_control_characters() -> None:
    assert output.to_one_line("two\n lines\x1b[31m") == "two lines?[31m"


def test_columns_have_one_width() -> None:
    table = output.format_table([("run", "state"), ("a-long-name", "done")])
    assert table == "run          state\na-long-name  done"


def test_json_that_no_parser_reads_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        output.print_json({"auc": float("nan")})


def test_an_error_goes_to_stderr_with_its_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert output.print_error("expected a folder", 2) == 2
    assert capsys.readouterr() == ("", "error: expected a folder\n")


def test_progress_is_silent_where_stderr_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with output.show_progress("reading") as report:
        report(1, 2)
    assert capsys.readouterr() == ("", "")
