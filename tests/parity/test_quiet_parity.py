"""The quiet names: the same expressions on PyTorch and on chainrule; value, error and warnings have to agree.

PyTorch's own setting is put back by every expression that changes one.
"""

import importlib
import re
import warnings

import pytest
import torch

import chainrule


@pytest.fixture(autouse=True)
def flags_can_be_set():
    """PyTorch's own test helpers, which other files here import, freeze its backends' flags and warn every time."""
    torch.set_warn_always(False)
    with getattr(torch.backends, "__allow_nonbracketed_mutation")():
        yield

MODULES = (
    "accelerator amp amp.autocast_mode backends backends.cudnn backends.cuda backends.mkldnn backends.mps backends.opt_einsum "
    "compiler cpu cuda cuda.amp cuda.memory cuda.nvtx cuda.random distributed hub jit mps multiprocessing profiler xpu"
).split()
for name in MODULES:
    importlib.import_module(f"torch.{name}")
    importlib.import_module(f"chainrule.{name}")
with warnings.catch_warnings():
    # PyTorch's compiler warns about its own imports, the first time.
    warnings.simplefilter("ignore")
    torch.compile(lambda: 0)
    torch.compiler.reset()

ANSWERS = """
t.cuda.is_available()
t.cuda.device_count()
t.cuda.is_initialized()
t.cuda.current_device()
t.cuda.init()
t.cuda.get_device_name()
t.cuda.get_device_name(0)
t.cuda.get_device_capability()
t.cuda.get_device_properties(0)
t.cuda.can_device_access_peer(0, 1)
t.cuda.current_blas_handle()
t.cuda.memory_allocated(), t.cuda.max_memory_allocated(), t.cuda.memory_reserved(), t.cuda.max_memory_reserved()
t.cuda.memory_cached()
t.cuda.max_memory_cached()
t.cuda.memory_stats()
t.cuda.mem_get_info()
t.cuda.empty_cache()
t.cuda.ipc_collect()
t.cuda.synchronize()
t.cuda.manual_seed(0), t.cuda.manual_seed_all(0), t.cuda.seed(), t.cuda.seed_all()
t.cuda.initial_seed()
t.cuda.get_rng_state()
t.cuda.get_rng_state_all(), t.cuda.set_rng_state_all([])
t.cuda.is_bf16_supported(), t.cuda.is_bf16_supported(including_emulation=False), t.cuda.is_tf32_supported()
t.cuda.get_arch_list(), t.cuda.get_gencode_flags(), t.cuda.default_generators, t.cuda.has_half, t.cuda.has_magma
t.cuda.set_device(-1)
t.cuda.current_stream()
t.cuda.default_stream()
t.cuda.Stream()
t.cuda.Event(enable_timing=True)
t.cuda.CUDAGraph()
t.cuda.is_current_stream_capturing()
t.cuda.stream(None).__enter__()
t.cuda.device(-1).__enter__()
t.cuda.device(0).__enter__()
t.cuda.get_sync_debug_mode()
t.cuda.set_per_process_memory_fraction(0.5)
t.cuda.utilization()
t.cuda.cudart()
t.cuda.OutOfMemoryError is t.OutOfMemoryError, t.OutOfMemoryError.__name__, t.OutOfMemoryError.__mro__[1]
t.cuda.nvtx.range_push('a')
t.cuda.nvtx.range('a').__enter__()
t.cuda.memory.memory_allocated(), t.cuda.random.manual_seed_all(3)
t.cuda.FloatTensor(2)
t.cuda._lazy_init()
t.cuda._is_compiled()
t.cuda.amp.GradScaler().is_enabled()
t.cuda.amp.autocast().__enter__()._enabled
t.cuda.amp.common.amp_definitely_not_available()
t.accelerator.is_available(), t.accelerator.device_count(), t.accelerator.current_accelerator()
t.accelerator.current_accelerator(check_available=True)
t.accelerator.current_device_index()
t.accelerator.current_device_idx()
t.accelerator.current_stream()
t.accelerator.synchronize()
t.accelerator.set_device_index(0)
t.accelerator.empty_cache()
t.accelerator.memory_allocated()
t.accelerator.reset_peak_memory_stats()
t.accelerator.device_index(None).__enter__()
t.accelerator.device_index(0).__enter__()
t.mps.is_available(), t.mps.device_count(), t.mps.manual_seed(0)
t.mps.synchronize()
t.mps.empty_cache()
t.mps.seed()
t.mps.current_allocated_memory()
t.mps.driver_allocated_memory()
t.mps.recommended_max_memory()
t.mps.set_per_process_memory_fraction(0.5)
t.xpu.is_available(), t.xpu.device_count(), t.xpu.is_initialized(), t.xpu.memory_allocated(), t.xpu.is_bf16_supported()
t.xpu.current_device()
t.xpu.synchronize()
t.xpu.get_device_name()
t.xpu.Stream()
t.xpu.device(0).__enter__()
t.cpu.is_available(), t.cpu.is_initialized(), t.cpu.device_count(), t.cpu.current_device(), t.cpu.synchronize(), t.cpu.set_device(0)
t.cpu.current_stream() is t.cpu.current_stream(), t.cpu.stream(None).__enter__(), t.cpu.Event().query()
t.backends.cudnn.is_available(), t.backends.cudnn.version()
t.backends.cudnn.enabled, t.backends.cudnn.benchmark, t.backends.cudnn.deterministic, t.backends.cudnn.allow_tf32
t.backends.cudnn.benchmark_limit, t.backends.cudnn.fp32_precision, t.backends.cudnn.conv.fp32_precision
t.backends.cudnn.flags(enabled=False).__enter__()
t.backends.cuda.is_built(), t.backends.cuda.matmul.allow_tf32, t.backends.cuda.matmul.allow_fp16_reduced_precision_reduction
t.backends.cuda.matmul.allow_fp16_accumulation, t.backends.cuda.matmul.fp32_precision
t.backends.cuda.matmul.foo
t.backends.cuda.flash_sdp_enabled(), t.backends.cuda.math_sdp_enabled(), t.backends.cuda.mem_efficient_sdp_enabled()
t.backends.cuda.cudnn_sdp_enabled(), t.backends.cuda.is_flash_attention_available(), t.backends.cuda.fp16_bf16_reduction_math_sdp_allowed()
t.backends.cuda.sdp_kernel().__enter__()
t.backends.cuda.preferred_linalg_library(), t.backends.cuda.preferred_blas_library()
t.backends.cuda.cufft_plan_cache.size
t.backends.mps.is_available(), t.backends.mps.is_built()
t.backends.mps.is_macos13_or_newer()
t.backends.mkldnn.enabled, t.backends.mkldnn.deterministic, t.backends.mkldnn.allow_tf32, t.backends.mkldnn.matmul.fp32_precision
t.backends.opt_einsum.is_available(), t.backends.opt_einsum.enabled, t.backends.opt_einsum.strategy, t.backends.opt_einsum.get_opt_einsum()
t.backends.mha.get_fastpath_enabled(), t.backends.cusparselt.is_available(), t.backends.cusparselt.version()
t.backends.kleidiai.is_available(), t.backends.miopen.immediate, t.backends.fp32_precision, t.backends.flags_frozen()
t.backends.foo
t.set_num_threads(0)
t.set_num_threads(1.5)
t.set_num_threads('a')
t.set_num_interop_threads(-1)
t.are_deterministic_algorithms_enabled(), t.is_deterministic_algorithms_warn_only_enabled(), t.get_deterministic_debug_mode()
t.use_deterministic_algorithms(1)
t.use_deterministic_algorithms(True), t.are_deterministic_algorithms_enabled(), t.use_deterministic_algorithms(False)
t.use_deterministic_algorithms(True, warn_only=True), t.get_deterministic_debug_mode(), t.use_deterministic_algorithms(False)
t.set_deterministic_debug_mode('error'), t.get_deterministic_debug_mode(), t.set_deterministic_debug_mode(0)
t.set_deterministic_debug_mode(7)
t.set_deterministic_debug_mode('foo')
t.set_deterministic_debug_mode(1.5)
t.get_float32_matmul_precision()
t.set_float32_matmul_precision('high'), t.backends.cuda.matmul.allow_tf32, t.set_float32_matmul_precision('highest')
t.set_float32_matmul_precision('foo')
t.set_float32_matmul_precision(3)
t.is_warn_always_enabled(), t.is_vulkan_available(), t.compiled_with_cxx11_abi()
t.get_device_module().__name__, t.get_device_module('cuda').__name__, t.get_device_module(t.device('cpu')).__name__
t.get_device_module('meta')
t.compiler.is_compiling(), t.compiler.is_dynamo_compiling(), t.compiler.is_exporting(), t.compiler.list_backends()
t.compiler.disable()(abs)(-3), t.compiler.disable(abs)(-3), t.compiler.disable(recursive=False)(abs)(-3)
t.compiler.allow_in_graph(sum_of)(1, 2), t.compiler.assume_constant_result(sum_of)(1, 2)
t.compile(lambda x: x + 1, disable=True)(3)
t.compile(lambda x: x + 1, backend='foo')
t.compile(lambda x: x + 1, mode='foo')
t.compile(lambda x: x + 1, mode='default', options={'a': 1})
t.compile(3)
t.distributed.is_initialized(), t.distributed.is_nccl_available(), t.distributed.is_torchelastic_launched()
t.distributed.get_rank()
t.distributed.get_world_size()
t.distributed.get_backend()
t.distributed.barrier()
t.distributed.all_reduce(t.ones(1))
t.distributed.destroy_process_group()
t.distributed.GroupMember.WORLD, t.distributed.group.WORLD, t.distributed.GroupMember.NON_GROUP_MEMBER
t.distributed.Backend.GLOO, t.distributed.Backend('NCCL'), t.distributed.ReduceOp.SUM.name, t.distributed.ReduceOp.MAX.value
t.distributed.Backend(3)
t.jit.script(sum_of)(2, 3)
t.jit.is_scripting(), t.jit.is_tracing(), t.jit.annotate(int, 3), t.jit.Final
t.jit.isinstance(3, int), t.jit.isinstance([1], list[int]), t.jit.isinstance({'a': 1}, dict[str, str])
t.jit.wait(t.jit.fork(sum_of, 2, 3))
t.jit.script_if_tracing(sum_of)(1, 2), t.jit.export(sum_of)(1, 2), t.jit.unused(sum_of)(1, 2), t.jit.ignore(sum_of)(1, 2)
t.jit.strict_fusion().__enter__()
t.jit.Attribute(3, int)
t.jit.onednn_fusion_enabled()
t.hub.load('/nowhere', 'm', source='foo')
t.hub.load('/nowhere', 'm', source='local')
t.multiprocessing.get_all_sharing_strategies(), t.multiprocessing.get_sharing_strategy()
t.multiprocessing.Process, t.multiprocessing.Queue.__name__, t.multiprocessing.cpu_count()
t.amp.is_autocast_available('cpu'), t.amp.is_autocast_available('cuda'), t.amp.is_autocast_available('meta')
t.amp.is_autocast_available('foo')
t.amp.autocast('foo')
t.amp.autocast(3)
t.amp.autocast('meta')
t.amp.autocast('cuda')._enabled
t.amp.autocast('cuda', dtype=t.float16, enabled=False)._enabled
t.amp.autocast('cpu')._enabled, t.amp.autocast('cpu').fast_dtype, t.amp.autocast('cpu', dtype=t.float16).fast_dtype
t.amp.autocast('cpu', dtype=t.float32)._enabled
t.is_autocast_enabled(), t.is_autocast_enabled('cpu'), t.is_autocast_enabled('xpu'), t.is_autocast_cache_enabled()
t.is_autocast_enabled('meta')
t.is_autocast_cpu_enabled()
t.get_autocast_dtype('cpu'), t.get_autocast_dtype('cuda'), t.get_autocast_dtype('xla')
t.get_autocast_cpu_dtype()
t.get_autocast_gpu_dtype()
t.set_autocast_enabled('cpu', True), t.is_autocast_enabled('cpu'), t.set_autocast_enabled('cpu', False), t.clear_autocast_cache()
t.autocast is t.amp.autocast
t.amp.GradScaler().is_enabled()
t.amp.GradScaler('cpu').state_dict(), t.amp.GradScaler('cpu').get_scale(), t.amp.GradScaler('cpu').is_enabled()
t.amp.GradScaler('cpu', growth_factor=0.5)
t.amp.GradScaler('cpu', backoff_factor=1.5)
t.amp.GradScaler('cuda', enabled=False).state_dict(), t.amp.GradScaler('cuda', enabled=False).scale(3)
t.amp.GradScaler('cpu').scale(3)
t.amp.custom_fwd(abs)
t.profiler.supported_activities(), t.profiler.ProfilerActivity.CPU, t.profiler.ProfilerAction.RECORD_AND_SAVE
[t.profiler.schedule(wait=1, warmup=1, active=2, repeat=1)(i).name for i in range(6)]
[t.profiler.schedule(wait=2, warmup=0, active=1, skip_first=2, skip_first_wait=1, repeat=2)(i).name for i in range(10)]
t.profiler.schedule(wait=-1, warmup=1, active=1)
t.profiler.schedule(wait=1, warmup=1, active=1)(-1)
t.profiler.profile().key_averages()
t.version.cuda, t.version.hip, t.version.xpu, t.version.debug
[t.__version__ >= (2, 0), t.__version__ >= '2.4', t.__version__ < '3', t.__version__ == '1.0', t.__version__ > (2, 12)]
t.__version__ > 5
t.__version__ >= 'parrot', t.__version__.split('+')[0], (2, 0) < t.__version__
"""


def sum_of(x: int, y: int) -> int:
    return x + y


def answer(expression, package):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value = repr(eval(expression, {"t": package, "sum_of": sum_of}))
        except Exception as e:
            value = f"{type(e).__name__}: {e}"
    told = [f"{w.category.__name__}: {w.message}" for w in caught]
    return [re.sub(r" \(Triggered internally .*?\)$", "", s).replace("chainrule", "torch") for s in (value, *told)]


@pytest.mark.parametrize("expression", ANSWERS.strip().splitlines())
def test_answer(expression):
    assert answer(expression, chainrule) == answer(expression, torch)


# Where PyTorch's answer depends on the libraries it was built with, ours is about the libraries that are here.
BUILD = """
backends.mkl.is_available
backends.mkldnn.is_available
backends.openmp.is_available
backends.nnpack.is_available
distributed.is_available
distributed.is_gloo_available
profiler.kineto_available
"""


@pytest.mark.parametrize("name", BUILD.split())
def test_what_depends_on_the_build_is_a_bool_too(name):
    def ask(package):
        for part in name.split("."):
            package = getattr(package, part)
        return package()

    assert type(ask(chainrule)) is type(ask(torch)) is bool


def test_settings_are_kept_in_the_same_places():
    for package in (torch, chainrule):
        cudnn = package.backends.cudnn
        with cudnn.flags(enabled=False, benchmark=True, deterministic=True):
            assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == (False, True, True)
        assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == (True, False, False)
        old = cudnn.set_flags(_benchmark=True)
        assert cudnn.benchmark and old[:2] == (True, False)
        cudnn.benchmark = False


def autocast_story(t):
    seen = []

    def look():
        seen.append((t.is_autocast_enabled("cpu"), str(t.get_autocast_dtype("cpu")), t.is_autocast_cache_enabled()))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with t.autocast("cpu", dtype=t.float16, cache_enabled=False) as region:
            look()
            with t.autocast("cpu", enabled=False):
                look()
            look()
        with region:
            look()
        look()
        t.autocast("cpu")(look)()
        look()
    return seen


def test_autocast_regions_nest_alike():
    assert autocast_story(chainrule) == autocast_story(torch)


def scaling_story(t):
    """A scaler through good steps, an overflow, growth and every complaint."""
    seen = []

    def attempt(call, *args, **kwargs):
        try:
            seen.append(repr(call(*args, **kwargs)))
        except Exception as e:
            seen.append(f"{type(e).__name__}: {e}")

    scaler = t.amp.GradScaler("cpu", init_scale=4.0, growth_interval=2)
    w = t.nn.Parameter(t.ones(2))
    optimizer = t.optim.SGD([w], lr=1.0)
    for call, *args in [(scaler.unscale_, optimizer), (scaler.step, optimizer), (scaler.update,), (scaler.get_scale,)]:
        attempt(call, *args)
    loss = (w * t.tensor([1.0, 2.0])).sum()
    scaled = scaler.scale(loss)
    scaled.backward()
    attempt(lambda: (scaled.item(), w.grad))
    scaler.unscale_(optimizer)
    attempt(lambda: w.grad)
    for call, *args in [(scaler.unscale_, optimizer), (scaler.step, optimizer), (scaler.step, optimizer), (scaler.unscale_, optimizer)]:
        attempt(call, *args)
    attempt(scaler.step, optimizer, closure=lambda: 1)
    attempt(lambda: w)
    scaler.update()
    attempt(scaler.state_dict)
    for value in (float("inf"), 1.0, 1.0, 1.0, float("nan")):
        w.grad = t.tensor([value, 1.0])
        attempt(scaler.step, optimizer)
        attempt(scaler.update)
        attempt(lambda: (w, scaler.state_dict()))
    attempt(scaler.scale, [loss.detach(), (loss.detach(),)])
    attempt(lambda: list(scaler.scale(x for x in [loss.detach()])))
    attempt(scaler.update, 7.0)
    attempt(scaler.get_scale)
    attempt(scaler.update, t.tensor(3.0))
    attempt(scaler.get_scale)
    scaler.load_state_dict({"scale": 2.0, "growth_factor": 3.0, "backoff_factor": 0.25, "growth_interval": 5, "_growth_tracker": 1})
    attempt(scaler.state_dict)
    attempt(scaler.load_state_dict, {})
    return seen


def test_gradient_scaling_goes_alike():
    assert scaling_story(chainrule) == scaling_story(torch)


def test_submodules_have_pytorchs_public_names():
    """No public name of ours in these modules is one that PyTorch's lack."""
    for name in ("cuda", "accelerator", "mps", "amp", "compiler", "jit", "distributed", "profiler", "multiprocessing", "hub"):
        ours, theirs = (importlib.import_module(f"{p}.{name}") for p in ("chainrule", "torch"))
        assert set(ours.__all__) <= set(dir(theirs)), (name, set(ours.__all__) - set(dir(theirs)))
