"""`import torch` means chainrule: every case in a fresh interpreter, since the alias is about what is imported first."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import chainrule
from chainrule.alias import missing_name

SOURCE = str(Path(chainrule.__file__).parents[1])


def python(program: str, *options: str, path: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([*path, SOURCE])}
    command = [sys.executable, *options, "-c", textwrap.dedent(program)]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120)


def passes(program: str, *options: str, path: tuple[str, ...] = ()) -> None:
    done = python(program, *options, path=path)
    assert done.returncode == 0, done.stderr


def test_every_import_form_gives_the_same_module_objects():
    passes("""
        import chainrule
        chainrule.as_torch()
        import torch, torch.utils.hooks, torch.cuda.amp as amp
        import torch.utils._pytree as pytree
        from torch.utils.hooks import RemovableHandle
        from torch import cuda
        import sys
        assert torch is chainrule is sys.modules["torch"] is sys.modules["chainrule"]
        assert pytree is chainrule.utils._pytree and cuda is chainrule.cuda and amp is chainrule.cuda.amp
        assert RemovableHandle is chainrule.utils.hooks.RemovableHandle
        for name, module in list(sys.modules.items()):
            if name.startswith("torch."):
                assert module is sys.modules["chainrule" + name[len("torch"):]], name
    """)


def test_modules_keep_their_identity():
    passes("""
        import chainrule
        chainrule.as_torch()
        import importlib, pickle, warnings
        warnings.simplefilter("error")
        import torch, torch.utils.hooks as hooks, torch.cuda
        for module in (torch, hooks, torch.cuda):
            assert module.__name__.startswith("chainrule"), module.__name__
            assert module.__spec__.name == module.__name__ and module.__loader__ is module.__spec__.loader
        assert torch.cuda.__package__ == torch.cuda.__spec__.parent
        event = pickle.loads(pickle.dumps(torch.cuda.Event))
        assert event is torch.cuda.Event and event.__module__ == "chainrule.cuda"
        assert importlib.reload(hooks) is hooks is importlib.import_module("torch.utils.hooks")
    """)


def test_the_block_form_undoes_itself():
    passes("""
        import sys, chainrule
        finders = list(sys.meta_path)
        with chainrule.as_torch() as module:
            import torch, torch.cuda
            assert torch is module is chainrule
            with chainrule.as_torch():
                pass
            import torch.utils.hooks  # an inner block ends nothing that an outer one began
        assert not [n for n in sys.modules if n == "torch" or n.startswith("torch.")]
        assert sys.meta_path == finders
        chainrule.as_torch()
        import torch
        assert torch is chainrule
    """)


def test_a_module_that_is_not_there():
    passes("""
        import importlib.util, chainrule
        chainrule.as_torch()
        try:
            import torch.no_such_module
        except ModuleNotFoundError as e:
            assert str(e).startswith("No module named 'torch.no_such_module'") and "chainrule" in str(e), e
            assert e.name == "torch.no_such_module"
        else:
            raise SystemExit("imported")
        assert importlib.util.find_spec("torch.no_such_module") is None
        assert importlib.util.find_spec("torch.cuda").name == "torch.cuda"
        assert importlib.util.find_spec("torch") is not None
    """)


def test_a_name_that_is_not_there():
    passes("""
        import chainrule
        def error(program):
            try:
                exec(program)
            except (AttributeError, ImportError) as e:
                return e
        assert str(error("chainrule.no_such_name")) == "module 'chainrule' has no attribute 'no_such_name'"
        chainrule.as_torch()
        import torch, torch.cuda
        e = error("torch.no_such_name")
        assert type(e) is AttributeError and str(e).startswith("module 'torch' has no attribute 'no_such_name'"), e
        assert e.name == "no_such_name" and e.obj is torch
        assert str(error("torch.cuda.no_such_name")).startswith("module 'torch.cuda' has no attribute 'no_such_name'")
        assert "no_such_name" in str(error("from torch import no_such_name"))
        assert not hasattr(torch, "no_such_name")
    """)


def test_an_error_inside_a_module_is_not_called_a_missing_module(tmp_path):
    package = tmp_path / "stand_in" / "chainrule"
    package.mkdir(parents=True)
    (package / "alias.py").write_text((Path(SOURCE) / "chainrule" / "alias.py").read_text())
    (package / "__init__.py").write_text("from chainrule.alias import as_torch\n")
    (package / "broken.py").write_text("import a_package_that_nobody_has\n")
    passes(
        """
        import chainrule
        chainrule.as_torch()
        try:
            import torch.broken
        except ModuleNotFoundError as e:
            assert e.name == "a_package_that_nobody_has"
        else:
            raise SystemExit("imported")
        """,
        path=(str(package.parent),),
    )


def test_too_late(tmp_path):
    (tmp_path / "torch.py").write_text("")
    passes(
        """
        import torch, chainrule
        try:
            chainrule.as_torch()
        except ImportError as e:
            assert "already imported" in str(e) and torch.__file__ in str(e) and "before" in str(e)
        else:
            raise SystemExit("the alias was installed over another torch")
        """,
        path=(str(tmp_path),),
    )


def test_another_finder_with_the_same_aim_works_too():
    """A finder that only hands out the modules, and leaves its own spec on them, breaks nothing."""
    passes("""
        import importlib, importlib.abc, importlib.util, sys, warnings

        class Alias(importlib.abc.MetaPathFinder, importlib.abc.Loader):
            def find_spec(self, name, path=None, target=None):
                if name == "torch" or name.startswith("torch."):
                    return importlib.util.spec_from_loader(name, self)
            def create_module(self, spec):
                return importlib.import_module("chainrule" + spec.name[len("torch"):])
            def exec_module(self, module):
                pass

        sys.meta_path.insert(0, Alias())
        warnings.simplefilter("error")
        import torch, torch.cuda, torch.utils._pytree as pytree
        assert torch is sys.modules["chainrule"] and torch.cuda.is_available() is False
        assert torch.cuda.amp.autocast is torch.cuda.amp.autocast_mode.autocast
        assert torch.backends.cudnn.enabled and pytree.treespec_loads(pytree.treespec_dumps(pytree.tree_structure([1])))
        try:
            torch.no_such_name
        except AttributeError as e:
            assert str(e).startswith("module 'torch' has no attribute 'no_such_name'")
    """)


def test_missing_name_offers_python_what_it_needs_for_a_suggestion():
    import chainrule.cuda

    error = missing_name("chainrule.cuda", "is_availabel")
    assert error.name == "is_availabel" and error.obj is chainrule.cuda


@pytest.mark.parametrize("name", ["torch.cuda", "torch.utils._pytree"])
def test_a_submodule_may_come_first(name):
    passes(f"""
        import chainrule
        chainrule.as_torch()
        import {name}
        assert {name} is {name.replace("torch", "chainrule", 1)}
    """)


def test_every_module_of_names_says_whose_name_is_missing():
    program = """
        import importlib
        import chainrule
        chainrule.as_torch()
        for name in ("nn", "nn.functional", "nn.utils", "linalg", "special", "func", "utils.data", "optim", "autograd"):
            module = importlib.import_module(f"torch.{name}")
            try:
                module.no_such_name
            except AttributeError as error:
                print(str(error).startswith(f"module 'torch.{name}' has no attribute 'no_such_name' (PyTorch may have it;"))
    """
    assert python(program).stdout.split() == ["True"] * 9
