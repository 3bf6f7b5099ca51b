"""What the quiet names do beyond answering: threads, versions, processes, profiles, a hub of models."""

import json
import os
import time

import numpy as np
import pytest

import chainrule
import chainrule.hub
import chainrule.jit
import chainrule.multiprocessing as mp
import chainrule.profiler as profiler
from chainrule import _blas, _quiet
from chainrule.torch_version import TorchVersion


def test_threads_are_the_blas_librarys():
    before = _quiet.get_num_threads()
    try:
        _quiet.set_num_threads(1)
        assert _quiet.get_num_threads() == 1
        np.ones((64, 64)) @ np.ones((64, 64))
        _quiet.set_num_threads(2)
        assert _quiet.get_num_threads() == 2
    finally:
        _quiet.set_num_threads(before)


def test_threads_where_blas_does_not_tell(monkeypatch):
    monkeypatch.setattr(_blas, "_candidates", list)
    monkeypatch.setattr(_blas, "_functions", None)
    monkeypatch.setattr(_blas, "_asked", None)
    assert _quiet.get_num_threads() == os.cpu_count()
    _quiet.set_num_threads(3)
    assert _quiet.get_num_threads() == 3


ORDERED = "0.9 1.0.dev1 1.0a1.dev1 1.0a1 1.0a2 1.0b1 1.0rc1 1.0 1.0+abc 1.0+5 1.0.post1 1.0.1 2.13.0 1!0.1.dev1".split()


def test_versions_are_ordered_as_versions():
    versions = [TorchVersion(v) for v in ORDERED]
    for i, a in enumerate(versions):
        for j, b in enumerate(versions):
            assert (a < b, a == b, a > b, a <= b, a >= b, a != b) == (i < j, i == j, i > j, i <= j, i >= j, i != j), (a, b)
    assert TorchVersion("2.0") == "2.0.0" == TorchVersion("2") and TorchVersion("2.1") > (2, 0, 9)
    assert isinstance(TorchVersion("2.1"), str) and hash(TorchVersion("2.1")) == hash("2.1")


def test_the_version_leads_with_the_api_it_answers_to():
    assert TorchVersion(chainrule.version.__version__) > "2.13.0"
    assert TorchVersion(chainrule.version.__version__) < "2.13.1"


def test_compile_gives_a_function_in_every_form():
    def f(x):
        return x + 1

    for made in (_quiet.compile(f), _quiet.compile()(f), _quiet.compile(mode="reduce-overhead", fullgraph=True, dynamic=False)(f)):
        assert made.function is f and made.__name__ == "f" and made(chainrule.tensor(1.0)).item() == 2.0 and made(1) == 2
    assert _quiet.compile(f, backend=lambda graph, inputs: graph, options={"a": 1}) is f


def test_scripting_gives_the_function_itself():
    def f(x):
        return x

    with pytest.warns(DeprecationWarning, match="torch.jit.script"):
        assert chainrule.jit.script(f) is f
    with pytest.warns(DeprecationWarning, match="torch.jit.trace"):
        assert chainrule.jit.trace(f, (1,), check_trace=False) is f
    assert chainrule.jit.ignore(f) is f and chainrule.jit.ignore(drop=True)(f) is f
    with pytest.warns(DeprecationWarning):
        task = chainrule.jit.fork(lambda: 1 / 0)
    with pytest.warns(DeprecationWarning), pytest.raises(ZeroDivisionError):
        chainrule.jit.wait(task)


# ---- processes ----------------------------------------------------------------------------------------------------------


def succeed(index, folder, text):
    with open(os.path.join(folder, f"{index}.txt"), "w") as f:
        f.write(f"{text} {index}")


def fail_in_one(index):
    if index == 1:
        raise ValueError("one is wrong")
    time.sleep(60)


def exit_in_one(index):
    if index == 0:
        os._exit(5)
    time.sleep(60)


@pytest.mark.skipif(os.name == "nt", reason="fork")
def test_started_processes(tmp_path):
    mp.start_processes(succeed, (str(tmp_path), "process"), nprocs=2, start_method="fork")
    assert sorted(p.read_text() for p in tmp_path.iterdir()) == ["process 0", "process 1"]
    began = time.monotonic()
    with pytest.raises(mp.ProcessRaisedException, match="Process 1 terminated with the following error:") as e:
        mp.start_processes(fail_in_one, nprocs=2, start_method="fork")
    assert e.value.error_index == 1 and "ValueError: one is wrong" in str(e.value)
    with pytest.raises(mp.ProcessExitedException, match="process 0 terminated with exit code 5") as e:
        mp.start_processes(exit_in_one, nprocs=2, start_method="fork")
    assert e.value.exit_code == 5
    assert time.monotonic() - began < 30


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_killed_process_is_named_by_its_signal():
    context = mp.start_processes(lambda i: time.sleep(600), (), nprocs=1, join=False, start_method="fork")
    os.kill(context.pids()[0], 9)
    with pytest.raises(mp.ProcessExitedException, match="process 0 terminated with signal SIGKILL") as e:
        while not context.join():
            pass
    assert e.value.signal_name == "SIGKILL"


# ---- profiles -----------------------------------------------------------------------------------------------------------


def test_profile_adds_up_named_ranges(tmp_path):
    with profiler.record_function("before"), profiler.profile() as p:
        for _ in range(3):
            with profiler.record_function("outer"):
                time.sleep(0.002)
                with profiler.record_function("inner"):
                    time.sleep(0.004)
    averages = {e.key: e for e in p.key_averages()}
    assert list(averages) == ["outer", "inner"]
    outer, inner = averages["outer"], averages["inner"]
    assert outer.count == inner.count == 3
    assert outer.cpu_time_total >= inner.cpu_time_total + 6000 and inner.cpu_time_total >= 12000
    assert outer.self_cpu_time_total == pytest.approx(outer.cpu_time_total - inner.cpu_time_total)
    assert inner.cpu_time == pytest.approx(inner.cpu_time_total / 3)
    table = p.key_averages().table(sort_by="self_cpu_time_total", row_limit=1)
    assert "inner" in table and "outer" not in table and "Self CPU time total:" in table
    with pytest.raises(AttributeError):
        p.key_averages().table(sort_by="nonsense")
    p.export_chrome_trace(str(tmp_path / "trace.json"))
    assert [e["name"] for e in json.loads((tmp_path / "trace.json").read_text())["traceEvents"]] == ["outer", "inner"] * 3


def test_profile_follows_its_schedule():
    cycles = []
    plan = profiler.schedule(wait=1, warmup=1, active=2, repeat=2)
    with profiler.profile(schedule=plan, on_trace_ready=lambda p: cycles.append([(e.key, e.count) for e in p.key_averages()])) as p:
        for _ in range(10):
            with profiler.record_function("work"):
                pass
            p.step()
    assert cycles == [[("ProfilerStep*", 2), ("work", 2)]] * 2


def test_profile_writes_traces_for_tensorboard(tmp_path):
    with (
        profiler.profile(on_trace_ready=profiler.tensorboard_trace_handler(str(tmp_path / "log"), worker_name="me")),
        profiler.record_function("x"),
    ):
        pass
    (file,) = (tmp_path / "log").iterdir()
    assert file.name.startswith("me.") and file.name.endswith(".pt.trace.json")


def test_record_function_is_a_decorator_that_recursion_does_not_confuse():
    @profiler.record_function("f")
    def f(n):
        return f(n - 1) if n else 0

    with profiler.profile() as p:
        f(2)
    assert [(e.key, e.count) for e in p.key_averages()] == [("f", 3)]
    events = p.events()
    assert [e.cpu_parent for e in events] == [None, events[0], events[1]]


# ---- the hub ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "hubconf.py").write_text(
        "dependencies = ['numpy']\nfrom part_of_the_repo import value\n"
        "def model(n, k=0):\n    'A model.'\n    return n + k + value\ndef _hidden():\n    pass\n"
    )
    (tmp_path / "repo" / "part_of_the_repo.py").write_text("value = 100\n")
    return str(tmp_path / "repo")


def test_hub_loads_from_a_directory(repository):
    import sys

    path = list(sys.path)
    assert chainrule.hub.load(repository, "model", 1, k=2, source="local") == 103
    assert sys.path == path
    with pytest.raises(RuntimeError, match="Cannot find callable nothing in hubconf"):
        chainrule.hub.load(repository, "nothing", source="local")
    with open(os.path.join(repository, "hubconf.py"), "a") as f:
        f.write("dependencies = ['a_package_that_nobody_has']\n")
    with pytest.raises(RuntimeError, match="Missing dependencies: a_package_that_nobody_has"):
        chainrule.hub.load(repository, "model", 1, source="local")


def test_hub_uses_what_was_downloaded_and_asks_before_it_runs_strangers_code(repository, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(chainrule.hub, "_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    os.makedirs(tmp_path / "home" / "hub")
    os.rename(repository, tmp_path / "home" / "hub" / "some_name_main")
    assert chainrule.hub.get_dir() == str(tmp_path / "home" / "hub")
    monkeypatch.setattr("builtins.input", lambda question: "n")
    with pytest.raises(Exception, match="Untrusted repository"):
        chainrule.hub.load("some/name:main", "model", 1)
    monkeypatch.setattr("builtins.input", lambda question: "y")
    assert chainrule.hub.load("some/name:main", "model", 1) == 101
    monkeypatch.delattr("builtins.input")
    assert chainrule.hub.list("some/name:main") == ["model"] and chainrule.hub.help("some/name:main", "model") == "A model."
    assert "Using cache found in" in capsys.readouterr().err


def test_hub_downloads_a_file_whole_or_not_at_all(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"weights")
    with pytest.raises(RuntimeError, match="invalid hash value"):
        chainrule.hub.download_url_to_file(source.as_uri(), str(target), hash_prefix="0000", progress=False)
    assert not target.exists() and len(list(tmp_path.iterdir())) == 1
    import hashlib

    prefix = hashlib.sha256(b"weights").hexdigest()[:8]
    chainrule.hub.download_url_to_file(source.as_uri(), str(target), hash_prefix=prefix, progress=False)
    assert target.read_bytes() == b"weights"
