"""Links of the chapters, as the site and the page Help need them."""

from spinefrac.ui.help.chapters import replace_outside_links


def test_links_to_code_become_text_and_others_stay() -> None:
    text = (
        "[`read`](../spinefrac/read.py), [two\nlines](../a.py), [runs](runs.md#x), ![p](../p.png)"
    )
    expected = "`read`, two\nlines, [runs](runs.md#x), ![p](../p.png)"
    assert replace_outside_links(text, "architecture.md") == expected


def test_a_link_is_seen_from_its_own_folder() -> None:
    text = "[roles](../team-server.md) and [code](../../spinefrac/read.py)"
    assert replace_outside_links(text, "deploy/README.md") == "[roles](../team-server.md) and code"
