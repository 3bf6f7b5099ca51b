"""The pool's machine code, as LLVM text: claiming chunks, spinning, sleeping, waking.

All state lies in one block of memory, ``@chainrule_pool``, in lines of 128 bytes so that what one thread writes does not slow what another
reads.  The heart of it is the *ticket*, 64 bits: the number of chunks, how many have been taken from the front, and how many from the
back.  Threads with even numbers, the caller's among them, take from the front, the others from the back.  Whoever adds 1 to its end and
finds that fewer than all had been taken owns that chunk, and keeps the region open until it has reported it done.  So nobody ever waits
for a thread that has not begun, and a thread that comes late finds the ticket used up and touches nothing else.

Two ends, so that what the chunks of one kernel write is read by the same thread in the next one, as far as kernels divide the same rows
alike: on two threads each has its half of the rows in its own cache.

How threads sleep is the one thing that differs between systems (:data:`SLEEPERS`): the kernel's futex where its number is known,
``WaitOnAddress`` on Windows, a mutex and a condition variable elsewhere.
"""

from __future__ import annotations

from .target import Target

LINE = 128
MAX_THREADS = 256

_BITS = 22  # of each number of chunks taken, which late threads may count up past the number of all; that has the rest

# Offsets in the block.  Each of these begins a line.
TICKET, DONE, JOB, OWNER, SLEEPING, EPOCH, SETTINGS, MUTEX, CONDITION = (k * LINE for k in (0, 1, 2, 3, 4, 5, 6, 8, 10))
LIMIT, READY, GENERATION, SPINS, CAPACITY = SETTINGS, SETTINGS + 4, SETTINGS + 8, SETTINGS + 16, SETTINGS + 24
WORKSPACES = 12 * LINE  # one aligned pointer for each thread
RAW = WORKSPACES + 8 * MAX_THREADS  # the same pointers as the allocator gave them
SIZE = RAW + 8 * MAX_THREADS

# The number of the system call futex(2), by the first part of the triple.
_FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "loongarch64": 98, "powerpc64le": 221, "ppc64le": 221, "s390x": 238}

_PAUSE = {
    "x86_64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "aarch64": ("declare void @llvm.aarch64.isb(i32)", "call void @llvm.aarch64.isb(i32 15)"),
}
# A hypervisor takes the processor away from who does nothing but pause (pause-loop exiting), for longer than a kernel takes.  It counts
# pauses that follow each other within 128 cycles, so there is one in so many turns (less one) of a waiting loop.
_BREATH = 63
_NO_PAUSE = ("", 'fence syncscope("singlethread") seq_cst')


def architecture(target: Target) -> str:
    """The processor's family, as the triple begins; Apple's ``arm64`` is ``aarch64``."""
    first = target.triple.partition("-")[0]
    return {"arm64": "aarch64", "amd64": "x86_64"}.get(first, first)


def sleeper(target: Target) -> str:
    """Which of :data:`SLEEPERS` this system has: ``futex``, ``address`` or ``condition``."""
    if "linux" in target.triple and architecture(target) in _FUTEX:
        return "futex"
    return "address" if "windows" in target.triple else "condition"


_FUTEX_TEXT = """
declare i64 @chainrule_syscall(i64, ...)
define internal void @sleep_while(i32 %seen) nounwind {{
  %wide = sext i32 %seen to i64
  %r = call i64 (i64, ...) @chainrule_syscall(i64 {number}, ptr {epoch}, i64 128, i64 %wide, ptr null, ptr null, i64 0)
  ret void
}}
define internal void @wake(i64 %count) nounwind {{
  %r = call i64 (i64, ...) @chainrule_syscall(i64 {number}, ptr {epoch}, i64 129, i64 %count, ptr null, ptr null, i64 0)
  ret void
}}
define internal void @prepare() nounwind {{
  ret void
}}
"""

_ADDRESS_TEXT = """
declare i32 @chainrule_WaitOnAddress(ptr, ptr, i64, i32)
declare void @chainrule_WakeByAddressAll(ptr)
define internal void @sleep_while(i32 %seen) nounwind {{
  %old = alloca i32
  store i32 %seen, ptr %old
  %r = call i32 @chainrule_WaitOnAddress(ptr {epoch}, ptr %old, i64 4, i32 -1)
  ret void
}}
define internal void @wake(i64 %count) nounwind {{
  call void @chainrule_WakeByAddressAll(ptr {epoch})
  ret void
}}
define internal void @prepare() nounwind {{
  ret void
}}
"""

_CONDITION_TEXT = """
declare i32 @chainrule_pthread_mutex_init(ptr, ptr)
declare i32 @chainrule_pthread_mutex_lock(ptr)
declare i32 @chainrule_pthread_mutex_unlock(ptr)
declare i32 @chainrule_pthread_cond_init(ptr, ptr)
declare i32 @chainrule_pthread_cond_wait(ptr, ptr)
declare i32 @chainrule_pthread_cond_broadcast(ptr)
define internal void @sleep_while(i32 %seen) nounwind {{
entry:
  %a = call i32 @chainrule_pthread_mutex_lock(ptr {mutex})
  br label %check
check:
  %now = load atomic i32, ptr {epoch} seq_cst, align 4
  %same = icmp eq i32 %now, %seen
  br i1 %same, label %wait, label %out
wait:
  %b = call i32 @chainrule_pthread_cond_wait(ptr {condition}, ptr {mutex})
  br label %check
out:
  %c = call i32 @chainrule_pthread_mutex_unlock(ptr {mutex})
  ret void
}}
define internal void @wake(i64 %count) nounwind {{
  %a = call i32 @chainrule_pthread_mutex_lock(ptr {mutex})
  %b = call i32 @chainrule_pthread_cond_broadcast(ptr {condition})
  %c = call i32 @chainrule_pthread_mutex_unlock(ptr {mutex})
  ret void
}}
define internal void @prepare() nounwind {{
  %a = call i32 @chainrule_pthread_mutex_init(ptr {mutex}, ptr null)
  %b = call i32 @chainrule_pthread_cond_init(ptr {condition}, ptr null)
  ret void
}}
"""

SLEEPERS = {"futex": _FUTEX_TEXT, "address": _ADDRESS_TEXT, "condition": _CONDITION_TEXT}

# What each way to sleep needs of the system: found by ctypes and told to LLVM under the name with chainrule_ in front.
SYSTEM = {
    "futex": ("syscall",),
    "address": ("WaitOnAddress", "WakeByAddressAll"),
    "condition": (
        "pthread_mutex_init",
        "pthread_mutex_lock",
        "pthread_mutex_unlock",
        "pthread_cond_init",
        "pthread_cond_wait",
        "pthread_cond_broadcast",
    ),
}

_CLAIM = """
declare void @chainrule_start()
declare i32 @chainrule_yield()
declare ptr @chainrule_malloc(i64)
declare void @chainrule_free(ptr)
@chainrule_pool = global [{size} x i8] zeroinitializer, align 128

define internal i1 @open(i64 %ticket) alwaysinline nounwind {{
  %front = and i64 %ticket, {field}
  %rest = lshr i64 %ticket, {bits}
  %back = and i64 %rest, {field}
  %taken = add i64 %front, %back
  %count = lshr i64 %ticket, {above}
  %some = icmp ult i64 %taken, %count
  ret i1 %some
}}
define internal void @claim(i64 %thread) nounwind {{
entry:
  %place = getelementptr ptr, ptr {workspaces}, i64 %thread
  %odd = trunc i64 %thread to i1
  %one = select i1 %odd, i64 {behind}, i64 1
  br label %look
look:
  %did = phi i64 [ 0, %entry ], [ %did1, %run ]
  %t0 = load atomic i64, ptr {ticket} monotonic, align 8
  %worth = call i1 @open(i64 %t0)
  br i1 %worth, label %try, label %out
try:
  %t = atomicrmw add ptr {ticket}, i64 %one acq_rel
  %mine = call i1 @open(i64 %t)
  br i1 %mine, label %run, label %out
run:
  %kernel = load ptr, ptr {kernel}
  %buffers = load ptr, ptr {buffers}
  %workspace = load ptr, ptr %place
  %first = and i64 %t, {field}
  %rest = lshr i64 %t, {bits}
  %back = and i64 %rest, {field}
  %count = lshr i64 %t, {above}
  %left = sub i64 %count, %back
  %last = sub i64 %left, 1
  %chunk = select i1 %odd, i64 %last, i64 %first
  call void %kernel(ptr %buffers, i64 %chunk, ptr %workspace)
  %did1 = add i64 %did, 1
  br label %look
out:
  %any = icmp ne i64 %did, 0
  br i1 %any, label %report, label %end
report:
  %r = atomicrmw add ptr {done}, i64 %did release
  br label %end
end:
  ret void
}}
define internal void @breathe(i64 %turn) nounwind {{
entry:
  %part = and i64 %turn, {breath}
  %now = icmp eq i64 %part, 0
  br i1 %now, label %pause, label %out
pause:
  {pause}
  br label %out
out:
  ret void
}}
define void @chainrule_spin(i64 %count) nounwind {{
entry:
  br label %loop
loop:
  %k = phi i64 [ 0, %entry ], [ %k1, %loop ]
  call void @breathe(i64 %k)
  %k1 = add i64 %k, 1
  %more = icmp slt i64 %k1, %count
  br i1 %more, label %loop, label %out
out:
  ret void
}}
"""

_WORKER = """
define void @chainrule_worker(i64 %thread, i32 %generation) nounwind {{
entry:
  br label %wait
wait:
  %spins = load i64, ptr {spins}
  br label %spin
spin:
  %k = phi i64 [ 0, %wait ], [ %k1, %again ]
  %t0 = load atomic i64, ptr {ticket} monotonic, align 8
  %some = call i1 @open(i64 %t0)
  br i1 %some, label %current, label %again
again:
  call void @breathe(i64 %k)
  %k1 = add i64 %k, 1
  %more = icmp slt i64 %k1, %spins
  br i1 %more, label %spin, label %tired
current:
  %g0 = load atomic i32, ptr {generation} acquire, align 4
  %old0 = icmp ne i32 %g0, %generation
  br i1 %old0, label %out, label %work
work:
  call void @claim(i64 %thread)
  br label %wait
tired:
  %s0 = atomicrmw add ptr {sleeping}, i32 1 seq_cst
  %epoch = load atomic i32, ptr {epoch} seq_cst, align 4
  %t1 = load atomic i64, ptr {ticket} seq_cst, align 8
  %late = call i1 @open(i64 %t1)
  %g1 = load atomic i32, ptr {generation} seq_cst, align 4
  %old1 = icmp ne i32 %g1, %generation
  %stay = or i1 %late, %old1
  br i1 %stay, label %up, label %sleep
sleep:
  call void @sleep_while(i32 %epoch)
  br label %up
up:
  %s1 = atomicrmw sub ptr {sleeping}, i32 1 seq_cst
  %g2 = load atomic i32, ptr {generation} acquire, align 4
  %old2 = icmp ne i32 %g2, %generation
  br i1 %old2, label %out, label %wait
out:
  ret void
}}
"""

_MEMORY = """
define internal ptr @aligned(ptr %raw) nounwind {{
  %a = ptrtoint ptr %raw to i64
  %b = add i64 %a, 127
  %c = and i64 %b, -128
  %p = inttoptr i64 %c to ptr
  ret ptr %p
}}
define internal i1 @grow(i64 %bytes) noinline cold nounwind {{
entry:
  %pages = add i64 %bytes, 4095
  %whole = and i64 %pages, -4096
  %room = add i64 %whole, 128
  %limit = load i32, ptr {limit}
  %threads = zext i32 %limit to i64
  br label %loop
loop:
  %k = phi i64 [ 0, %entry ], [ %k1, %got ]
  %raw = call ptr @chainrule_malloc(i64 %room)
  %none = icmp eq ptr %raw, null
  br i1 %none, label %failed, label %got
got:
  %place = getelementptr ptr, ptr {raws}, i64 %k
  %old = load ptr, ptr %place
  store ptr %raw, ptr %place
  %start = call ptr @aligned(ptr %raw)
  %mine = getelementptr ptr, ptr {workspaces}, i64 %k
  store ptr %start, ptr %mine
  call void @chainrule_free(ptr %old)
  %k1 = add i64 %k, 1
  %more = icmp ult i64 %k1, %threads
  br i1 %more, label %loop, label %all
all:
  store i64 %whole, ptr {capacity}
  ret i1 true
failed:
  ret i1 false
}}
define internal i32 @serial(ptr %kernel, ptr %buffers, i64 %chunks, i64 %bytes) noinline nounwind {{
entry:
  %needs = icmp sgt i64 %bytes, 0
  br i1 %needs, label %memory, label %begin
memory:
  %room = add i64 %bytes, 128
  %raw = call ptr @chainrule_malloc(i64 %room)
  %none = icmp eq ptr %raw, null
  br i1 %none, label %failed, label %have
have:
  %start = call ptr @aligned(ptr %raw)
  br label %begin
begin:
  %workspace = phi ptr [ null, %entry ], [ %start, %have ]
  %owned = phi ptr [ null, %entry ], [ %raw, %have ]
  br label %loop
loop:
  %k = phi i64 [ 0, %begin ], [ %k1, %loop ]
  call void %kernel(ptr %buffers, i64 %k, ptr %workspace)
  %k1 = add i64 %k, 1
  %more = icmp slt i64 %k1, %chunks
  br i1 %more, label %loop, label %over
over:
  call void @chainrule_free(ptr %owned)
  ret i32 0
failed:
  ret i32 1
}}
"""

_PARALLEL = """
define i32 @chainrule_parallel(ptr %kernel, ptr %buffers, i64 %chunks, i64 %bytes) nounwind {{
entry:
  %some = icmp sgt i64 %chunks, 0
  br i1 %some, label %enter, label %nothing
nothing:
  ret i32 0
enter:
  %fits = icmp slt i64 %chunks, {most}
  br i1 %fits, label %free, label %alone
free:
  %taken = cmpxchg ptr {owner}, i32 0, i32 1 acquire monotonic
  %mine = extractvalue {{ i32, i1 }} %taken, 1
  br i1 %mine, label %room, label %alone
alone:
  %other = call i32 @serial(ptr %kernel, ptr %buffers, i64 %chunks, i64 %bytes)
  ret i32 %other
room:
  %capacity = load i64, ptr {capacity}
  %small = icmp slt i64 %capacity, %bytes
  br i1 %small, label %more, label %threads
more:
  %grown = call i1 @grow(i64 %bytes)
  br i1 %grown, label %threads, label %failed
failed:
  store atomic i32 0, ptr {owner} release, align 4
  ret i32 1
threads:
  %limit = load i32, ptr {limit}
  %one = icmp eq i64 %chunks, 1
  %single = icmp sle i32 %limit, 1
  %self = or i1 %one, %single
  br i1 %self, label %inline, label %workers
inline:
  %workspace = load ptr, ptr {workspaces}
  br label %loop
loop:
  %k = phi i64 [ 0, %inline ], [ %k1, %loop ]
  call void %kernel(ptr %buffers, i64 %k, ptr %workspace)
  %k1 = add i64 %k, 1
  %next = icmp slt i64 %k1, %chunks
  br i1 %next, label %loop, label %leave
workers:
  %ready = load i32, ptr {ready}
  %are = icmp ne i32 %ready, 0
  br i1 %are, label %publish, label %start
start:
  call void @chainrule_start()
  br label %publish
publish:
  store ptr %kernel, ptr {kernel}
  store ptr %buffers, ptr {buffers}
  store atomic i64 0, ptr {done} monotonic, align 8
  %ticket = shl i64 %chunks, {above}
  %old = atomicrmw xchg ptr {ticket}, i64 %ticket seq_cst
  %asleep = load atomic i32, ptr {sleeping} seq_cst, align 4
  %none = icmp eq i32 %asleep, 0
  br i1 %none, label %work, label %rouse
rouse:
  %e = atomicrmw add ptr {epoch}, i32 1 seq_cst
  %helpers = sub i64 %chunks, 1
  call void @wake(i64 %helpers)
  br label %work
work:
  call void @claim(i64 0)
  %spins = load i64, ptr {spins}
  br label %join
join:
  %j = phi i64 [ 0, %work ], [ %j1, %again ], [ 0, %yield ]
  %d = load atomic i64, ptr {done} acquire, align 8
  %all = icmp uge i64 %d, %chunks
  br i1 %all, label %leave, label %again
again:
  call void @breathe(i64 %j)
  %j1 = add i64 %j, 1
  %wait = icmp slt i64 %j1, %spins
  br i1 %wait, label %join, label %yield
yield:
  %y = call i32 @chainrule_yield()
  br label %join
leave:
  store atomic i32 0, ptr {owner} release, align 4
  ret i32 0
}}
"""

_CONTROL = """
define internal void @acquire() nounwind {{
entry:
  br label %try
try:
  %taken = cmpxchg ptr {owner}, i32 0, i32 1 acquire monotonic
  %mine = extractvalue {{ i32, i1 }} %taken, 1
  br i1 %mine, label %out, label %yield
yield:
  %y = call i32 @chainrule_yield()
  br label %try
out:
  ret void
}}
define internal void @dismiss() nounwind {{
  %g = atomicrmw add ptr {generation}, i32 1 seq_cst
  %e = atomicrmw add ptr {epoch}, i32 1 seq_cst
  call void @wake(i64 2147483647)
  ret void
}}
define void @chainrule_limit(i32 %threads) nounwind {{
  call void @acquire()
  store i32 %threads, ptr {limit}
  store i32 0, ptr {ready}
  store i64 0, ptr {capacity}
  call void @dismiss()
  store atomic i32 0, ptr {owner} release, align 4
  ret void
}}
define i32 @chainrule_reserve(i64 %bytes) nounwind {{
entry:
  call void @acquire()
  %capacity = load i64, ptr {capacity}
  %small = icmp slt i64 %capacity, %bytes
  br i1 %small, label %more, label %out
more:
  %grown = call i1 @grow(i64 %bytes)
  br label %out
out:
  %enough = phi i1 [ true, %entry ], [ %grown, %more ]
  store atomic i32 0, ptr {owner} release, align 4
  %failed = xor i1 %enough, true
  %status = zext i1 %failed to i32
  ret i32 %status
}}
define void @chainrule_close() nounwind {{
  store i32 1, ptr {limit}
  call void @dismiss()
  ret void
}}
define void @chainrule_reset(i32 %threads, i64 %spins) nounwind {{
  call void @llvm.memset.p0.i64(ptr @chainrule_pool, i8 0, i64 {size}, i1 false)
  store i32 %threads, ptr {limit}
  store i64 %spins, ptr {spins}
  call void @prepare()
  ret void
}}
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1 immarg)
"""


def pool_text(target: Target, how: str) -> str:
    """The pool's module for a target; ``how`` is one of :data:`SLEEPERS`."""
    places = {
        "ticket": TICKET,
        "done": DONE,
        "kernel": JOB,
        "buffers": JOB + 8,
        "owner": OWNER,
        "sleeping": SLEEPING,
        "epoch": EPOCH,
        "limit": LIMIT,
        "ready": READY,
        "generation": GENERATION,
        "spins": SPINS,
        "capacity": CAPACITY,
        "mutex": MUTEX,
        "condition": CONDITION,
        "workspaces": WORKSPACES,
        "raws": RAW,
    }
    at = {name: f"getelementptr (i8, ptr @chainrule_pool, i64 {offset})" for name, offset in places.items()}
    declare, pause = _PAUSE.get(architecture(target), _NO_PAUSE)
    text = "".join((_CLAIM, SLEEPERS[how], _WORKER, _MEMORY, _PARALLEL, _CONTROL))
    number = _FUTEX.get(architecture(target), 0)
    return f'target triple = "{target.triple}"\n{declare}\n' + text.format(
        size=SIZE, pause=pause, breath=_BREATH, number=number, bits=_BITS, field=(1 << _BITS) - 1, above=2 * _BITS, behind=1 << _BITS,
        most=1 << 64 - 2 * _BITS, **at,
    )  # fmt: skip
