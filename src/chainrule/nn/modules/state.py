"""A module's state: ``state_dict`` and ``load_state_dict`` with their hooks, copying and pickling."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable
from typing import Any

from ...core.tensor import Tensor
from ...utils.hooks import RemovableHandle

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"
_NEVER = (
    "Reached a code path in Module.{}_extra_state() that should never be called. Please file an issue at"
    " https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml to report this bug."
)


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What ``load_state_dict`` did not find, and what it did not need."""

    __slots__ = ()

    def __repr__(self) -> str:
        return super().__repr__() if self.missing_keys or self.unexpected_keys else "<All keys matched successfully>"

    __str__ = __repr__


class _Replacing:
    """A ``state_dict`` hook of the old kind, which may return another dictionary."""

    may_replace = True

    def __init__(self, hook: Callable[..., Any]) -> None:
        self.hook = hook

    def __call__(self, *args: Any) -> Any:
        return self.hook(*args)


class StateMethods:
    """The state methods of a module."""

    _version = 1

    def state_dict(self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> Any:
        """An ordered dictionary of all parameters and persistent buffers by dotted name, detached unless ``keep_vars``."""
        if args:
            import warnings

            warnings.warn(
                "Positional args are being deprecated, use kwargs instead. Refer to"
                " https://pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.state_dict for details.",
                FutureWarning, stacklevel=2,
            )  # fmt: skip
            destination = args[0] if destination is None else destination
            prefix = args[1] if len(args) > 1 and prefix == "" else prefix
            keep_vars = args[2] if len(args) > 2 and keep_vars is False else keep_vars
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local
        d = self.__dict__
        for hook in d.get("_state_dict_pre_hooks", {}).values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in d["_modules"].items():
            if module is not None:
                module.state_dict(destination=destination, prefix=prefix + name + ".", keep_vars=keep_vars)
        for hook in d.get("_state_dict_hooks", {}).values():
            answer = hook(self, destination, prefix, local)
            if answer is not None:
                if not getattr(hook, "may_replace", False):
                    raise RuntimeError("state_dict post-hook must return None")
                destination = answer
        return destination

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        d = self.__dict__
        for name, p in d["_parameters"].items():
            if p is not None:
                destination[prefix + name] = p if keep_vars else p.detach()
        for name, b in d["_buffers"].items():
            if b is not None and name not in d["_non_persistent_buffers_set"]:
                destination[prefix + name] = b if keep_vars else b.detach()
        if type(self).get_extra_state is not StateMethods.get_extra_state:
            destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()

    def get_extra_state(self) -> Any:
        """Override to add something picklable to ``state_dict``."""
        raise RuntimeError(_NEVER.format("get"))

    def set_extra_state(self, state: Any) -> None:
        """Override to take back what :meth:`get_extra_state` gave."""
        raise RuntimeError(_NEVER.format("set"))

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> _IncompatibleKeys:
        """Copy (``assign``: put) the tensors of ``state_dict`` into parameters and buffers.

        Raises RuntimeError listing missing keys, unexpected keys (``strict``) and shapes that differ; nothing else is
        changed before all keys have been looked at.
        """
        from collections.abc import Mapping

        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        given: Any = OrderedDict(state_dict)
        if metadata is not None:
            given._metadata = metadata
        _load(self, given, "", metadata, assign, missing, unexpected, errors)
        outcome = _IncompatibleKeys(missing, unexpected)
        _after_load(self, outcome)
        if strict:
            if unexpected:
                errors.insert(0, "Unexpected key(s) in state_dict: " + ", ".join(f'"{k}"' for k in unexpected) + ". ")
            if missing:
                errors.insert(0, "Missing key(s) in state_dict: " + ", ".join(f'"{k}"' for k in missing) + ". ")
        if errors:
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(errors))
        return outcome

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, strict: bool, missing_keys: list[str], unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:  # fmt: skip
        d = self.__dict__
        for hook in d.get("_load_state_dict_pre_hooks", {}).values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        persistent = {k: v for k, v in d["_buffers"].items() if k not in d["_non_persistent_buffers_set"]}
        local = {k: v for k, v in [*d["_parameters"].items(), *persistent.items()] if v is not None}
        for name, target in local.items():
            key = prefix + name
            if key in state_dict:
                self._load_one(name, key, target, state_dict[key], bool((local_metadata or {}).get("assign_to_params_buffers")), error_msgs)
            elif strict:
                missing_keys.append(key)
        extra = prefix + _EXTRA_STATE_KEY_SUFFIX
        if type(self).set_extra_state is not StateMethods.set_extra_state:
            if extra in state_dict:
                self.set_extra_state(state_dict[extra])
            elif strict:
                missing_keys.append(extra)
        elif strict and extra in state_dict:
            unexpected_keys.append(extra)
        if strict:
            for key in state_dict:
                if key.startswith(prefix) and key != extra:
                    first = key[len(prefix) :].split(".", 1)
                    if (len(first) > 1 and first[0] not in d["_modules"]) or (len(first) == 1 and first[0] not in local):
                        unexpected_keys.append(key)

    def _load_one(self, name: str, key: str, target: Any, value: Any, assign: bool, errors: list[str]) -> None:
        from ...autograd.grad_mode import no_grad
        from ..parameter import Parameter, is_lazy

        if is_lazy(target):  # what comes has no values either
            return
        if not isinstance(value, Tensor):
            errors.append(
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from checkpoint but received'
                f" {type(value)}"
            )
            return
        if len(target.shape) == 0 and len(value.shape) == 1:
            value = value[0]
        if tuple(value.shape) != tuple(target.shape):
            errors.append(
                f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, the shape in current model is"
                f" {target.shape}."
            )
            return
        if target.is_meta and not value.is_meta and not assign:
            import warnings

            warnings.warn(
                f"for {key}: copying from a non-meta parameter in the checkpoint to a meta parameter in the current model, which is a"
                " no-op."
                " (Did you mean to pass `assign=True` to assign items in the state dictionary to their corresponding key in the module"
                " instead of copying them in place?)", stacklevel=2,
            )  # fmt: skip
            return
        with no_grad():
            if assign:
                if isinstance(target, Parameter) and not isinstance(value, Parameter):
                    value = Parameter(value, requires_grad=target.requires_grad)
                setattr(self, name, value)
            else:
                target.copy_(value)

    # -- hooks -------------------------------------------------------------------------------------------------------

    def _state_hook(self, table: str, hook: Callable[..., Any]) -> RemovableHandle:
        found = self.__dict__.setdefault(table, OrderedDict())
        handle = RemovableHandle(found)
        found[handle.id] = hook
        return handle

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before ``state_dict``."""
        return self._state_hook("_state_dict_pre_hooks", hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after ``state_dict``."""
        return self._state_hook("_state_dict_hooks", hook)

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        return self._state_hook("_state_dict_hooks", _Replacing(hook))

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, …)`` before this module loads."""
        import functools

        return self._state_hook("_load_state_dict_pre_hooks", functools.partial(hook, self))

    def _register_load_state_dict_pre_hook(self, hook: Callable[..., Any], with_module: bool = False) -> RemovableHandle:
        import functools

        return self._state_hook("_load_state_dict_pre_hooks", functools.partial(hook, self) if with_module else hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after loading."""
        return self._state_hook("_load_state_dict_post_hooks", hook)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def _load(
    module: Any, state_dict: Any, prefix: str, metadata: Any, assign: bool, missing: list[str], unexpected: list[str], errors: list[str]
) -> None:
    local = {} if metadata is None else dict(metadata.get(prefix[:-1], {}))
    if assign:
        local["assign_to_params_buffers"] = True
    module._load_from_state_dict(state_dict, prefix, local, True, missing, unexpected, errors)
    for name, child in module._modules.items():
        if child is not None:
            sub = prefix + name + "."
            mine = {k: v for k, v in state_dict.items() if k.startswith(sub)}
            _load(child, mine, sub, metadata, assign, missing, unexpected, errors)
    if prefix:
        _after_load(module, _IncompatibleKeys(missing, unexpected))


def _after_load(module: Any, outcome: _IncompatibleKeys) -> None:
    for hook in module.__dict__.get("_load_state_dict_post_hooks", {}).values():
        if hook(module, outcome) is not None:
            raise AssertionError(
                "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new values, if incompatible_keys"
                " need to be modified, it should be done inplace."
            )
