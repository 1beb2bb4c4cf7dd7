"""Lines of the log."""

import json
import logging
import subprocess
import sys

from spinefrac.system.structured_log import LineFormatter, describe_exception


def make_record(message="a %s", arguments=("line",), error=None, **fields):
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("spinefrac.x", logging.INFO, __file__, 1, message, arguments, info)
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def raise_with_name():
    try:
        raise ValueError("Doe^Jane.dcm")
    except ValueError as error:
        return error


def test_a_line_of_text_and_of_json():
    text = LineFormatter(as_json=False).format(make_record())
    assert text.endswith(" info spinefrac.x: a line") and "+00:00" in text
    line = json.loads(LineFormatter(as_json=True).format(make_record(status=200, area="page")))
    assert line["message"] == "a line" and line["status"] == 200 and line["area"] == "page"


def test_no_message_of_an_exception_is_written():
    error = raise_with_name()
    for as_json in (False, True):
        line = LineFormatter(as_json=as_json).format(make_record(error=error))
        assert "Doe" not in line and "ValueError" in line and "raise_with_name" in line
        assert "\n" not in line
    assert describe_exception(error).startswith("ValueError < test_structured_log.py:")


def test_every_logger_writes_here_once_it_is_started():
    code = (
        "import logging\n"
        "own = logging.getLogger('other')\n"
        "own.addHandler(logging.StreamHandler()); own.propagate = False\n"
        "from spinefrac.system import structured_log\n"
        "structured_log.join(own); assert own.handlers\n"
        "structured_log.start(as_json=True)\n"
        "structured_log.join(own)\n"
        "own.warning('first'); logging.getLogger('spinefrac.x').info('second')\n"
        "logging.getLogger('uvicorn.access').error('an address')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = [json.loads(line)["message"] for line in done.stderr.splitlines()]
    assert lines == ["first", "second"]
