"""What a command prints: one line a message, columns of one width, JSON without NaN."""

import pytest

from spinefrac.cli import output


def test_a_message_is_one_line_without_control_characters() -> None:
    assert output.to_one_line("two\n lines\x1b[31m") == "two lines?[31m"


def test_no_control_character_of_a_name_reaches_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "\x1b]0;x\x07a\u202eb\n.png"
    output.print_line(f"{name}: fracture")
    output.print_result(f"one\n{name}")
    output.print_message(name)
    output.print_result(output.format_table([("file",), (name,)]))
    printed, told = capsys.readouterr()
    assert printed.splitlines()[0] == "?]0;x?a?b?.png: fracture"
    assert all(line.isprintable() for line in (printed + told).splitlines())
    assert printed.splitlines()[-1] == "?]0;x?a?b?.png"


def test_what_was_kept_on_request_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_if_names_kept(True)
    output.print_if_names_kept(False)
    assert capsys.readouterr().err.count("kept on request (--keep-names)") == 1


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
