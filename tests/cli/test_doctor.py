"""`chainrule doctor` tells of the installation that it runs in."""

from importlib import metadata

import ml_dtypes
import numpy

from chainrule import version
from chainrule.cli import doctor, main


def test_says_what_is_there(capsys):
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for part in (version.chainrule, numpy.__version__, ml_dtypes.__version__, "BLAS", "threads", "vectors"):
        assert part in text
    assert "nothing is missing" in text or "\nmissing\n" in text


def test_says_how_to_get_what_is_missing(capsys, monkeypatch):
    def version_of(name):
        if name in ("nbclient", "llvmlite"):
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(metadata, "version", version_of)
    assert doctor.main([]) == 0
    rows = capsys.readouterr().out.split("\nmissing\n")[1].splitlines()
    assert [row.split()[0] for row in rows] == ["llvmlite", "nbclient"]
    assert rows[0].endswith("pip install llvmlite") and rows[1].endswith("pip install 'chainrule[notebook]'")


def test_takes_no_arguments(capsys):
    assert main(["doctor", "now"]) == 2
    assert "takes no arguments" in capsys.readouterr().err
