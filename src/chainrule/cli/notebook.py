"""``chainrule run NOTEBOOK.ipynb``: run the cells in a kernel where ``import torch`` means chainrule."""

from __future__ import annotations

import copy
import os
import re
import sys
from typing import TYPE_CHECKING, Any

from chainrule.cli import compare

if TYPE_CHECKING:
    from chainrule.cli.run import NotebookOptions

_NEEDED = ("nbformat", "nbclient", "jupyter_client", "ipykernel")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class NotebookError(Exception):
    """Why the notebook cannot be run; its text goes to the user."""


def run_notebook(path: str, args: list[str], options: NotebookOptions) -> int:
    """Run every cell and print, or with ``--check`` compare, what it puts out; gives the exit status."""
    try:
        nb = _read(path)
    except NotebookError as e:
        print(f"chainrule run: {e}", file=sys.stderr)
        return 2
    stored = copy.deepcopy(nb)
    printer = None if options.check else _Printer(sys.stdout, sys.stderr)
    expected = _expect_stored_errors(nb) if options.check else []
    failure = _execute(nb, path, args, options, printer)
    for cell in expected:
        cell.metadata.tags.remove("raises-exception")
    if options.save is not None:
        _write(nb, options.save)
    if failure is not None:
        print(failure, file=sys.stderr)
    agree = compare.report(stored, nb) if options.check else True
    return 0 if failure is None and agree else 1


def _read(path: str) -> Any:
    for name in _NEEDED:
        try:
            __import__(name)
        except ModuleNotFoundError as e:
            raise NotebookError(f"running a notebook needs {e.name}: pip install 'chainrule[notebook]'") from None
    import nbformat

    try:
        nb = nbformat.read(path, as_version=4)
    except OSError as e:
        raise NotebookError(f"can't open notebook {os.path.abspath(path)!r}: [Errno {e.errno}] {e.strerror}") from None
    except (nbformat.reader.NotJSONError, nbformat.ValidationError) as e:
        raise NotebookError(f"{path} is not a notebook: {str(e).splitlines()[0]}") from None
    language = nb.metadata.get("kernelspec", {}).get("language") or nb.metadata.get("language_info", {}).get("name") or "python"
    if language.lower() not in ("python", "ipython"):
        raise NotebookError(f"{path} is a {language} notebook")
    return nb


def _write(nb: Any, path: str) -> None:
    """Write beside `path` and rename, so that a reader never sees half a notebook."""
    import nbformat

    partial = f"{path}.{os.getpid()}.partial"
    try:
        with open(partial, "w", encoding="utf-8") as f:
            nbformat.write(nb, f)
        os.replace(partial, path)
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def _expect_stored_errors(nb: Any) -> list[Any]:
    """Tag the cells whose stored output is an error, so that raising it again does not end the run; gives them."""
    tagged = []
    for cell in nb.cells:
        if cell.cell_type != "code" or not any(o.output_type == "error" for o in cell.outputs):
            continue
        tags = cell.metadata.setdefault("tags", [])
        if "raises-exception" not in tags:
            tags.append("raises-exception")
            tagged.append(cell)
    return tagged


def _execute(nb: Any, path: str, args: list[str], options: NotebookOptions, printer: _Printer | None) -> str | None:
    """Run the cells of `nb` in place; gives what ended the run early, None when nothing did."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    class Client(NotebookClient):
        def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
            if printer is not None:
                printer.message(msg, cell)
            return super().process_message(msg, cell, cell_index)

    # The kernel's remarks about its own sockets and parent are not the notebook's.
    arguments = ["--IPKernelApp.log_level=ERROR"]
    if args:
        arguments.append(f"--IPKernelApp.exec_lines={[f'import sys; sys.argv = {[path, *args]!r}']!r}")
    client = Client(
        nb,
        km=_kernel_manager(),
        allow_errors=options.allow_errors,
        timeout=options.timeout,
        coalesce_streams=True,
        record_timing=False,
        extra_arguments=arguments,
        resources={"metadata": {"path": os.path.dirname(os.path.abspath(path))}},
    )
    try:
        client.execute(env=_environment())
    except CellExecutionError as e:
        return f"chainrule run: stopped at cell {_place(nb, client.code_cells_executed)}: {e.ename}: {e.evalue}"
    except CellTimeoutError:
        return f"chainrule run: cell {_place(nb, client.code_cells_executed)} took longer than {options.timeout:g} s"
    except DeadKernelError:
        return f"chainrule run: the kernel died in cell {_place(nb, client.code_cells_executed)}"
    return None


def _place(nb: Any, count: int) -> str:
    """The cell that ran as number `count`, for a message."""
    cells = [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]
    return compare.title(cells[count - 1], count) if 0 < count <= len(cells) else f"[{count}]"


def _kernel_manager() -> Any:
    """A manager that starts kernels with this interpreter, whatever kernel the notebook names."""
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    class ThisInterpreter(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="chainrule", language="python")

    return AsyncKernelManager(kernel_spec_manager=ThisInterpreter())


def _environment() -> dict[str, str]:
    from chainrule.cli.run import child_environment

    # The debugger that comes with the kernel would otherwise print a warning about frozen modules into the outputs.
    return {**os.environ, "PYTHONPATH": child_environment(), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}


class _Printer:
    """Prints what cells put out, as it comes, each under its cell's number and first line."""

    def __init__(self, out: Any, err: Any) -> None:
        self.out, self.err = out, err
        self._cell: Any = None
        self._at_line_start = True

    def message(self, msg: dict[str, Any], cell: Any) -> None:
        kind, content = msg["msg_type"], msg["content"]
        if kind == "execute_input":
            cell.execution_count = content["execution_count"]
        elif kind == "stream":
            self._show(cell, content["text"], self.err if content["name"] == "stderr" else self.out)
        elif kind in ("execute_result", "display_data", "update_display_data"):
            self._show(cell, compare.shown(content["data"]) + "\n", self.out)
        elif kind == "error":
            self._show(cell, "\n".join(content["traceback"]) + "\n", self.err)

    def _show(self, cell: Any, text: str, stream: Any) -> None:
        if not stream.isatty():
            text = _ANSI.sub("", text)
        if cell is not self._cell:
            self._cell = cell
            gap = "" if self._at_line_start else "\n"
            self.out.write(f"{gap}{compare.title(cell, cell.execution_count)}\n")
            self.out.flush()
        stream.write(text)
        stream.flush()
        if text:
            self._at_line_start = text.endswith("\n")
