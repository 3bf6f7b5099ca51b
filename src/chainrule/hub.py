"""``torch.hub``: models from a repository's ``hubconf.py``, and files from the web."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "set_dir"]

_CHUNK = 1 << 17

_dir: str | None = None


def get_dir() -> str:
    """Where downloads are kept: what `set_dir` said, else ``$TORCH_HOME/hub``, else ``$XDG_CACHE_HOME/torch/hub``."""
    if _dir is not None:
        return _dir
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return os.path.join(os.path.expanduser(os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    global _dir
    _dir = os.path.expanduser(os.fspath(d))


# ---- files --------------------------------------------------------------------------------------------------------------


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Download `url` to the file `dst`, which appears when it is complete.

    RuntimeError when its SHA-256 does not begin with `hash_prefix`.  The progress bar needs tqdm.
    """
    import hashlib
    import tempfile
    from urllib.request import Request, urlopen

    digest = hashlib.sha256()
    dst = os.path.expanduser(dst)
    with urlopen(Request(url, headers={"User-Agent": "torch.hub"})) as source:
        total = int(source.headers.get("Content-Length") or 0) or None
        handle, partial = tempfile.mkstemp(suffix=".partial", dir=os.path.dirname(dst) or ".")
        try:
            with os.fdopen(handle, "wb") as out, _bar(total, progress) as bar:
                while chunk := source.read(_CHUNK):
                    out.write(chunk)
                    digest.update(chunk)
                    bar.update(len(chunk))
            if hash_prefix is not None and not digest.hexdigest().startswith(hash_prefix):
                raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{digest.hexdigest()}")')
            os.replace(partial, dst)
        finally:
            if os.path.exists(partial):
                os.remove(partial)


class _NoBar:
    def __enter__(self) -> _NoBar:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def update(self, n: int) -> None:
        """Nothing is shown."""


def _bar(total: int | None, wanted: bool) -> Any:
    if wanted:
        try:
            from tqdm import tqdm
        except ImportError:
            return _NoBar()
        return tqdm(total=total, unit="B", unit_scale=True, unit_divisor=1024)
    return _NoBar()


# ---- repositories -------------------------------------------------------------------------------------------------------


def _split(github: str) -> tuple[str, str, str]:
    """Owner, name and branch of ``owner/name[:branch]``."""
    place, _, branch = github.partition(":")
    owner, name = place.split("/")
    return owner, name, branch or _default_branch(owner, name)


def _default_branch(owner: str, name: str) -> str:
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    try:
        with urlopen(f"https://github.com/{owner}/{name}/tree/main/"):
            return "main"
    except HTTPError as e:
        if e.code == 404:
            return "master"
        raise
    except URLError:
        # No network: whichever branch was fetched before.
        for branch in ("main", "master"):
            if os.path.exists(os.path.join(get_dir(), f"{owner}_{name}_{branch}")):
                return branch
        raise RuntimeError(
            f"It looks like there is no internet connection and the repo could not be found in the cache ({get_dir()})"
        ) from None


def _ask_trust(owner: str, name: str, trust_repo: bool | str | None) -> None:
    """Let the user refuse code of an unknown repository; Exception when they do."""
    record = os.path.join(get_dir(), "trusted_list")
    key = f"{owner}_{name}"
    trusted: tuple[str, ...] = ()
    if os.path.exists(record):
        with open(record, encoding="utf-8") as f:
            trusted = tuple(f.read().split())
    known = key in trusted or owner in ("facebookresearch", "facebookincubator", "pytorch", "fairinternal")
    if trust_repo is False or (trust_repo == "check" and not known):
        answer = input(
            f"The repository {key} does not belong to the list of trusted repositories and as such cannot be downloaded. "
            "Do you trust this repository and wish to add it to the trusted list of repositories (y/N)?"
        )
        if answer.strip().lower() not in ("y", "yes"):
            raise Exception("Untrusted repository.")
    if key not in trusted and trust_repo in (True, False, "check") and not (known and trust_repo == "check"):
        with open(record, "a", encoding="utf-8") as f:
            f.write(key + "\n")


def _fetch(github: str, force_reload: bool, trust_repo: bool | str | None, verbose: bool) -> str:
    """The directory with the repository's files, downloaded unless they are there."""
    import shutil
    import zipfile

    owner, name, branch = _split(github)
    os.makedirs(get_dir(), exist_ok=True)
    place = os.path.join(get_dir(), "_".join(part.replace("/", "_") for part in (owner, name, branch)))
    _ask_trust(owner, name, trust_repo)
    if os.path.exists(place) and not force_reload:
        if verbose:
            sys.stderr.write(f"Using cache found in {place}\n")
        return place
    url = f"https://github.com/{owner}/{name}/zipball/{branch}"
    archive, unpacked = place + ".zip", place + ".unpacked"
    sys.stderr.write(f'Downloading: "{url}" to {archive}\n')
    download_url_to_file(url, archive, progress=False)
    shutil.rmtree(unpacked, ignore_errors=True)
    with zipfile.ZipFile(archive) as z:
        z.extractall(unpacked)
    os.remove(archive)
    shutil.rmtree(place, ignore_errors=True)
    shutil.move(os.path.join(unpacked, os.listdir(unpacked)[0]), place)
    os.rmdir(unpacked)
    return place


def _repository(repo: str, source: str, force_reload: bool, trust_repo: bool | str | None, verbose: bool) -> str:
    return repo if source == "local" else _fetch(repo, force_reload, trust_repo, verbose)


class _Hubconf:
    """The repository's ``hubconf.py``, with its directory on `sys.path` for the block."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __enter__(self) -> ModuleType:
        import importlib.util

        sys.path.insert(0, self.place)
        try:
            spec = importlib.util.spec_from_file_location("hubconf.py", os.path.join(self.place, "hubconf.py"))
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        except BaseException:
            sys.path.remove(self.place)
            raise
        return module

    def __exit__(self, *exc: object) -> None:
        sys.path.remove(self.place)


def _entry(module: ModuleType, model: str) -> Any:
    import importlib.util

    if not isinstance(model, str):
        raise ValueError("Invalid input: model should be a string of function name")
    missing = [d for d in getattr(module, "dependencies", ()) if importlib.util.find_spec(d) is None]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    entry = getattr(module, model, None)
    if not callable(entry):
        raise RuntimeError(f"Cannot find callable {model} in hubconf")
    return entry


def list(
    github: str, force_reload: bool = False, skip_validation: bool = False, trust_repo: bool | str | None = "check", verbose: bool = True
) -> Any:
    """The names of the models in the repository ``owner/name[:branch]``."""
    with _Hubconf(_fetch(github, force_reload, trust_repo, verbose)) as module:
        return [n for n in dir(module) if callable(getattr(module, n)) and not n.startswith("_")]


def help(
    github: str, model: str, force_reload: bool = False, skip_validation: bool = False, trust_repo: bool | str | None = "check"
) -> str | None:
    """The docstring of a model of the repository ``owner/name[:branch]``."""
    with _Hubconf(_fetch(github, force_reload, trust_repo, True)) as module:
        doc: str | None = _entry(module, model).__doc__
        return doc


def load(
    repo_or_dir: str,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: bool | str | None = "check",
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """A model by the name of its function in ``hubconf.py``, called with the remaining arguments.

    `repo_or_dir` is ``owner/name[:branch]`` on GitHub, or a directory with ``source="local"``.
    """
    source = source.lower()
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    with _Hubconf(_repository(repo_or_dir, source, force_reload, trust_repo, verbose)) as module:
        return _entry(module, model)(*args, **kwargs)
