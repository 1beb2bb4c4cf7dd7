"""What many sessions show is drawn once."""

import threading

from markupsafe import Markup

from spinefrac.ui.common.shared_html import SharedHtml


def test_a_reading_is_drawn_once_and_another_one_anew():
    drawn = []

    def render(reading):
        drawn.append(reading)
        return Markup(f"<b>{reading[0]}</b>")

    shared = SharedHtml(render)
    first, second = ["a"], ["a"]
    threads = [threading.Thread(target=shared.get, args=("run", first)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drawn == [first]
    assert shared.get("run", second) == "<b>a</b>" and len(drawn) == 2
    assert shared.get("other", second) == "<b>a</b>" and len(drawn) == 3


def test_few_pieces_are_kept():
    shared = SharedHtml(lambda reading: Markup(reading))
    for number in range(100):
        shared.get(str(number), "x")
    assert len(shared._pieces) == 64
