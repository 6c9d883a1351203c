"""Names of files in which a hash of their content stands."""

from __future__ import annotations

import pytest

from hawser.runner.hashed import is_hashed


@pytest.mark.parametrize(
    "path",
    [
        "/static/css/base.0123456789ab.css",
        "/static/jquery.min.0123456789ab.js",
        "/static/my-datetime.0123456789ab.css",
        "/static/main.1a2b3c4d.js",
        "/static/main.1a2b3c4d.chunk.js",
        "/static/main.1a2b3c4d.chunk.js.map",
        "/static/main-0123456789abcdef.js",
        "/static/6ce24c58023cc2f8fd88.png",
        "/static/logo.6ce24c58023cc2f8fd88fe9d219db6c6.svg",
        "/assets/index-BxYz12_3.js",
        "/static/assets/fonts/Sans-d3Rz_-0A.woff2",
    ],
)
def test_names_as_django_webpack_and_vite_write_them_hold_a_hash(path):
    assert is_hashed(path)


@pytest.mark.parametrize(
    "path",
    [
        "/static/style.css",
        "/static/photo.deadbeefcafe.jpg",
        "/static/report.20240101.css",
        "/static/export.202401011230.csv",
        "/static/assets/jquery-datetime.js",
        "/static/assets/Sans-SemiBold.woff2",
        "/static/assets/notes-20240101.js",
        "/static/assets/theme-dark2024.css",
        "/static/index-BxYz12_3.js",
        "/static/base.0123456789AB.css",
        "/static/base.0123456789a.css",
        "/static/0123456789ab.css",
        "/static/base.0123456789ab.css/readme",
        "/static/LICENSE.0123456789ab",
    ],
)
def test_words_dates_numbers_and_other_lengths_are_no_hash(path):
    assert not is_hashed(path)
