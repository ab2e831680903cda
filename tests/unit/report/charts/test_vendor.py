"""The chart library is what its authors published, and one that is not is refused."""

import hashlib
from importlib.resources import files

import pytest

from spinn_edge.core.errors import SpinnEdgeError
from spinn_edge.report import vendor
from spinn_edge.report.vendor import VEGA, VENDORED, licence_texts, vendored_text


@pytest.fixture(autouse=True)
def afresh():
    vendored_text.cache_clear()
    yield
    vendored_text.cache_clear()


@pytest.mark.parametrize("vendored", VENDORED, ids=lambda one: one.package)
def test_each_file_has_the_hash_on_record_its_version_and_a_licence(vendored):
    text = vendored_text(vendored)
    sums = files(vendor).joinpath("SHA256SUMS").read_text().split()
    assert hashlib.sha256(text.encode()).hexdigest() in sums
    assert f"take {vendored.package} {vendored.version} {vendored.file}" in (
        files(vendor).joinpath("fetch.sh").read_text()
    )
    assert f"{vendored.package} {vendored.version}, BSD-3-Clause" in licence_texts()


def test_the_version_is_the_one_inside_the_file():
    assert f'"{VEGA.version}"' in vendored_text(VEGA)


def test_a_changed_file_is_refused(monkeypatch):
    read = vendor._read
    monkeypatch.setattr(vendor, "_read", lambda file: read(file) + b" " * file.endswith(".js"))
    with pytest.raises(SpinnEdgeError, match=r"is not vega 6\.4\.0 as it was published"):
        vendored_text(VEGA)


def test_a_missing_file_is_an_error_that_says_what_to_do(monkeypatch):
    def fail(file):
        raise FileNotFoundError(file)

    monkeypatch.setattr(vendor, "_read", fail)
    with pytest.raises(SpinnEdgeError, match="install spinn-edge again"):
        vendored_text(VEGA)
