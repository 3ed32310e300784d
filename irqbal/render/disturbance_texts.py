"""The words for what disturbs isolated CPUs: a part of the table in `finding_texts`."""

from __future__ import annotations

from irqbal.findings.finding import FindingCode
from irqbal.render.finding_text import FindingText

_WHO = " ({who})"
_AWAY = "run `taskset -pc {others} {pid}`, or start it elsewhere"

DISTURBANCE_TEXTS: dict[FindingCode, FindingText] = {
    "over-budget": FindingText(
        meaning="`irqbal verify --isolation`: an isolated CPU was interrupted more often than "
        "`--allow` allows",
        sentence="CPU {cpu}: {name} came {times} in {seconds} s, and {budget} are allowed",
        advice="the finding about {name} on CPU {cpu} says what can be done",
    ),
    "disturbed-irq": FindingText(
        meaning="a numbered IRQ fired on an isolated CPU in the window",
        sentence="CPU {cpu}: {name} ({label}) fired {times} in {seconds} s",
        advice="enable isolate_cores, which moves it away; `irqbal verify` says what keeps it "
        "there",
        unmovable_sentence="CPU {cpu}: {name} ({label}) fired {times} in {seconds} s: {unmovable}",
    ),
    "disturbed-timer": FindingText(
        meaning="the CPU's own timer fired on an isolated CPU: the tick, or a timer that a task or "
        "the kernel set there",
        sentence="CPU {cpu}: the local timer ({name}) fired {times} in {seconds} s",
        causes=_WHO,
        advice="",
        ways={
            "tick": "the tick runs: boot with `nohz_full={isolated}`, which stops it while one "
            "task alone computes there",
            "tick-tasks": "the tick runs because more than one task wants the CPU: move the others "
            "away (`taskset`, `isolcpus={isolated}`); with one, `nohz_full={isolated}` stops it",
            "tick-posix": "a CPU timer of a process there keeps the tick (setitimer, "
            "timer_create with a CPU clock, RLIMIT_CPU): use a clock of real time",
            "tick-perf": "perf counts there and keeps the tick: end it, and boot with "
            "`nmi_watchdog=0`",
            "tick-clock": "the clock is not stable and keeps the tick: see `dmesg | grep -i tsc`",
            "tick-rcu": "RCU keeps the tick: boot with `rcu_nocbs={isolated}`",
            "sleep": "tasks on this CPU sleep with a timer, which belongs to their CPU: poll "
            "instead of sleeping, or let the task that sleeps run elsewhere",
            "timer-other": "the function says which part of the kernel set the timer; see what on "
            "this CPU uses it, and `/sys/kernel/debug/sched` for the scheduler's (hrtick)",
            "timer-unknown": "with `nohz_full={isolated}` and one task the tick stops; with "
            "tracing, this finding names the timers' functions",
        },
    ),
    "disturbed-call": FindingText(
        meaning="another CPU asked an isolated one to run a function (CAL)",
        sentence="CPU {cpu}: function calls of other CPUs ({name}) came {times} in {seconds} s",
        causes=_WHO,
        advice="",
        ways={
            "membarrier": "a process with a thread there calls membarrier(PRIVATE_EXPEDITED): "
            "give the thread a process of its own, or let its runtime use another barrier",
            "flush": "a process with a thread there changes its page tables: give the thread a "
            "process of its own, or set memory up before, with mlockall() and without munmap, "
            "mprotect and madvise later",
            "code": "the kernel changed its own code: tracing, BPF, kprobes or a static key was "
            "switched meanwhile; do that before the work that must not be disturbed",
            "wakeup": "tasks are woken there by other CPUs: let them run elsewhere (`taskset`), or "
            "poll instead of waiting",
            "interrupted": "this kernel does not tell who sends (Linux 6.4 and later does): most "
            "likely other threads of the process that was interrupted, by membarrier, munmap or "
            "mprotect",
            "other": "the function says what was asked, and the sender who did: see whether it "
            "needs to run, or to reach this CPU",
            "unknown": "who sent them is told with tracing on Linux 6.4 and later",
        },
    ),
    "disturbed-tlb": FindingText(
        meaning="another CPU made an isolated one flush its TLB",
        sentence="CPU {cpu}: TLB flushes ({name}) came {times} in {seconds} s",
        causes=_WHO,
        advice="they come from threads of the process that runs there, which unmap or protect "
        "memory: give the thread a process of its own, or set memory up before, and switch off "
        "what moves pages (`numa_balancing`, transparent huge pages, compaction)",
    ),
    "disturbed-reschedule": FindingText(
        meaning="another CPU told an isolated one to choose its task anew",
        sentence="CPU {cpu}: rescheduling interrupts ({name}) came {times} in {seconds} s",
        causes=_WHO,
        advice="tasks are woken there by other CPUs: let them run elsewhere (`taskset`), or poll "
        "instead of waiting",
    ),
    "disturbed-row": FindingText(
        meaning="another named row of `/proc/interrupts` counted on an isolated CPU",
        sentence="CPU {cpu}: {name} ({label}) came {times} in {seconds} s",
        advice="",
        ways={
            "IWI": "the CPU interrupts itself for deferred work: perf, tracing, printk or RCU; end "
            "what traces, and boot with `rcu_nocbs={isolated}`",
            "PMI": "perf counts there: end it, and boot with `nmi_watchdog=0`",
            "NMI": "perf or the watchdog: boot with `nmi_watchdog=0`; a profiler may run",
            "TRM": "the CPU is too hot or over its power limit: see its cooling and its firmware",
            "THR": "the hardware reports corrected errors: see `dmesg` or rasdaemon",
            "MCE": "the hardware reports errors: see `dmesg` or rasdaemon",
            "MCP": "the kernel looks for hardware errors every few minutes: "
            "`/sys/devices/system/machinecheck/machinecheck{cpu}/check_interval`",
            "other": "the row's text says what it counts",
        },
    ),
    "disturbed-softirq": FindingText(
        meaning="softirqs ran on an isolated CPU",
        sentence="CPU {cpu}: the softirq {name} ran {times} in {seconds} s",
        causes=_WHO,
        advice="",
        ways={
            "TIMER": "timers of the kernel are due there: boot with `nohz_full={isolated}`, which "
            "lets new ones go to other CPUs; those that are there go when the CPU was offline once",
            "HRTIMER": "timers of tasks there are due: let the tasks that sleep run elsewhere",
            "NET_RX": "packets are received there: move the queue's IRQ (isolate_cores), leave the "
            "CPU out of RPS, and let nothing there send over loopback",
            "NET_TX": "packets are sent from there: let the tasks that send run elsewhere, and "
            "leave it to other CPUs to complete them (XPS, the queue's IRQ)",
            "BLOCK": "disk requests end there: let the tasks that read and write run elsewhere; "
            "`rq_affinity` of the disk's queue says where requests end",
            "TASKLET": "the function says whose they are; mostly an IRQ's that fires there",
            "SCHED": "the scheduler balances there: boot with `isolcpus={isolated}`, or use an "
            "isolated cgroup partition",
            "RCU": "boot with `rcu_nocbs={isolated}`, which leaves RCU's callbacks to threads that "
            "run elsewhere",
            "other": "see what raises it",
        },
    ),
    "disturbed-thread": FindingText(
        meaning="a kernel thread ran on an isolated CPU",
        sentence="CPU {cpu}: the kernel thread {label} (pid {pid}) ran {times} in {seconds} s",
        causes=_WHO,
        advice="",
        ways={
            "kworker": "it belongs to this CPU: the function says what queued work there; "
            "`vm.stat_interval` makes vmstat_update rare, `nohz_full={isolated}` keeps much away, "
            "and /sys/devices/virtual/workqueue/cpumask those of no CPU",
            "ksoftirqd": "it runs softirqs that were too many for an interrupt: see the softirqs "
            "of this CPU",
            "migration": "it belongs to this CPU and moves tasks, or stops the CPU for a moment: "
            "set affinities and load modules before the work that must not be disturbed",
            "cpuhp": "CPUs went online or offline",
            "idle_inject": "the CPU is too hot: see its cooling",
            "rcuc": "boot with `rcu_nocbs={isolated}`",
            "irq_work": "see what traces or profiles there",
            "free": "run `taskset -pc {others} {pid}`, or boot with `isolcpus={isolated}`",
        },
    ),
    "disturbed-task": FindingText(
        meaning="a task ran on an isolated CPU: the one that it is isolated for, or another",
        sentence="CPU {cpu}: the task {label} (pid {pid}) began to run {times} in {seconds} s",
        advice="if it is not the work that this CPU is isolated for, " + _AWAY,
    ),
    "not-visible": FindingText(
        meaning="`irqbal verify --isolation` could not see who disturbs a CPU, or not all",
        sentence="",
        advice="",
        ways={
            "asked": "leave `--no-tracing` out; setting and removing tracing interrupts every CPU, "
            "before and after the window",
            "tracing": "put that right, and try again",
            "senders": "Linux 6.4 and later tells them",
            "left": "every traced event costs more until it is removed: run `irqbal measure`",
            "dropped": "take a shorter window, or fewer CPUs (`--cpus`)",
        },
        sentences={
            "asked": "who caused this, and which tasks ran on {cpus}, is not told without "
            "tracing: only what was counted",
            "tracing": "who caused this, and which tasks ran on {cpus}, is not told: {reason}",
            "senders": "this kernel does not tell who sends interrupts to {cpus}: only "
            "whom they interrupt",
            "left": "{reason}",
            "dropped": "{dropped} events did not fit into a histogram: causes may be missing",
        },
    ),
}
