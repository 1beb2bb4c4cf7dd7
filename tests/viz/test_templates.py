"""HTML that escapes what people and files bring."""

import jinja2
import pytest

from spinefrac.viz.templates import get_environment
from spinefrac.wording import NARROW_NBSP


@pytest.fixture
def environment(tmp_path, monkeypatch):
    folder = tmp_path / "package_of_the_test" / "templates"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "row.html").write_text("<b>{{ name }}</b> {{ share | percent }}")
    monkeypatch.syspath_prepend(str(tmp_path))
    get_environment.cache_clear()
    yield get_environment("package_of_the_test")
    get_environment.cache_clear()


def test_values_are_escaped_and_numbers_formatted(environment):
    html = environment.get_template("row.html").render(name='<script>"A" & B</script>', share=0.876)
    assert html == (f"<b>&lt;script&gt;&#34;A&#34; &amp; B&lt;/script&gt;</b> 88{NARROW_NBSP}%")


def test_a_value_that_was_not_given_is_an_error(environment):
    with pytest.raises(jinja2.UndefinedError, match="name"):
        environment.get_template("row.html").render(share=0.5)


def test_a_package_without_templates_is_an_error():
    with pytest.raises(ValueError, match="templates"):
        get_environment("spinefrac.errors")
