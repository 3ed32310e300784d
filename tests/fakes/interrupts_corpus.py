"""/proc/interrupts as many kernels print it: x86, arm, s390, powerpc, riscv and others, real chips'
and drivers' names, made-up counts. Long, since it is a table: each text is described once.

Each text is described by what a kernel has (CPUs, IRQs, the architecture's named rows) and by the
form in which that kernel prints it, so that a test knows what each row means, and not only how it
looks.
"""

from __future__ import annotations

from random import Random

import msgspec

U32 = 2**32


class PrintedForm(msgspec.Struct, frozen=True):
    """How a kernel prints a row. `before`: the blank of a count's field is before it, not after.
    `gap`: blanks between the counts and the chip. `chip`: the width of the chip's name, to the left
    if below 0, and 0 for that of the longest name. `column`: there is a column for the hwirq.
    """

    before: bool = False
    gap: int = 1
    bare_gap: int = 0
    chip: int = 8
    column: bool = True
    source: str = "kernel/irq/proc.c: show_interrupts"


EARLY = PrintedForm(column=False, source="kernel/irq/proc.c of 3.10: show_interrupts has no hwirq")
OLD = PrintedForm(source="kernel/irq/proc.c of 6.1 and 6.12: show_interrupts")
NO_BLANK = PrintedForm(
    before=True,
    source="kernel/irq/proc.c of 6.13: seq_put_decimal_ull_width; irq_print_chip adds no blank",
)
BLANK = PrintedForm(
    before=True, bare_gap=1, source="kernel/irq/proc.c of 6.15 and later: a blank after all counts"
)
ALIGNED = PrintedForm(
    before=True,
    gap=2,
    bare_gap=2,
    chip=0,
    source="kernel/irq/proc.c of 7.3: irq_seq_show, chips in a column as wide as the longest",
)
S390 = PrintedForm(column=False, source="arch/s390/kernel/irq.c: show_interrupts")
PARISC = PrintedForm(chip=14, column=False, source="arch/parisc/kernel/irq.c: show_interrupts")


class CorpusRow(msgspec.Struct, frozen=True):
    """One row as a kernel means it. `kind` is what follows the hwirq: `Level`, `-edge` or both.
    `bare`: the chip prints its name itself, without a width. Named rows have no `irq`.
    """

    label: str
    counts: tuple[int, ...]
    irq: int | None = None
    chip: str = ""
    hwirq: int | None = None
    kind: str = ""
    actions: tuple[str, ...] = ()
    bare: bool = False
    text: str = ""

    @property
    def trigger(self) -> str:
        """`level`, `edge`, or where the architecture prints none the flow handler's name."""
        level, _, flow = self.kind.partition("-")
        return (level or flow).lower()


class CorpusText(msgspec.Struct, frozen=True):
    """A text and its meaning. `digits` is the width of the IRQ numbers' column; `tight`: no blank
    after the colon of IPI rows where it is 3 (arm64, riscv, loongarch).
    """

    name: str
    form: PrintedForm
    cpus: tuple[int, ...]
    digits: int
    tight: bool
    rows: tuple[CorpusRow, ...]
    source: str

    def render(self) -> bytes:
        """The file's content."""
        chip = max((len(row.chip) for row in self.rows if not row.bare), default=0)
        lines = [self._head(), *(self._line(row, chip) for row in self.rows)]
        return "".join(f"{line}\n" for line in lines).encode()

    def _head(self) -> str:
        if self.form is PARISC:
            return "    " + "".join(f"       CPU{cpu}" for cpu in self.cpus)
        return " " * (self.digits + 8) + "".join(f"CPU{cpu:<8}" for cpu in self.cpus)

    def _line(self, row: CorpusRow, longest: int) -> str:
        form, label = self.form, f"{row.label:>{self.digits}}:"
        # The architectures' rows did not change with the generic ones, but x86's did in 7.3.
        if form.before if row.irq is not None else form is ALIGNED:
            counts = "".join(f" {count:>10}" for count in row.counts)
        else:
            counts = "".join(f"{count:>10} " for count in row.counts)
            if not (self.tight and row.label.startswith("IPI")):
                label += " "
        if row.irq is None:
            # A single count ends its line; those of CPUs may have a blank after the last.
            return (
                label + (counts if row.text or len(row.counts) > 1 else counts.rstrip()) + row.text
            )
        gap = form.bare_gap if row.bare else form.gap
        name = row.chip if row.bare else f"{row.chip:>{form.chip}}"
        if form.chip == 0 and not row.bare:
            name = f"{row.chip:<{longest}}"
        hwirq = f" {'' if row.hwirq is None else row.hwirq:>{self.digits}}" if form.column else ""
        level, dash, flow = row.kind.partition("-")
        kind = (f" {level:<8}" if level else "") + (f"-{flow:<8}" if dash else "")
        actions = f"  {', '.join(row.actions)}" if row.actions else ""
        return f"{label}{counts}{' ' * gap}{name}{hwirq}{kind}{actions}"


def _text(
    name: str,
    form: PrintedForm,
    cpus: str,
    irqs: str,
    named: str,
    source: str,
    digits: int = 3,
    tight: bool = False,
) -> CorpusText:
    """`cpus` is a list such as `0-3,6`. `irqs`: IRQ[*how many]|chip|hwirq[+]|kind|actions, where
    `~` before the chip means bare, and {} in actions counts from 0. `named`: label[=columns]|text.
    """
    online = tuple(cpu for part in cpus.split(",") for cpu in _range(part))
    random = Random(name)
    rows: list[CorpusRow] = []
    for line in irqs.split("\n"):
        if not line.strip():
            continue
        numbers, chip, hwirq, kind, actions = line.strip().split("|")
        first, _, many = numbers.partition("*")
        for index in range(int(many or 1)):
            step = index if hwirq.endswith("+") else 0
            rows.append(
                CorpusRow(
                    label=str(int(first) + index),
                    counts=_counts(random, len(online)),
                    irq=int(first) + index,
                    chip=chip.removeprefix("~"),
                    hwirq=int(hwirq.rstrip("+")) + step if hwirq else None,
                    kind=kind,
                    actions=tuple(
                        one.replace("{}", str(index)) for one in actions.split(", ") if one
                    ),
                    bare=chip.startswith("~"),
                )
            )
    for line in named.split("\n"):
        if not line.strip():
            continue
        label, _, shown = line.partition("|")
        label, _, columns = label.strip().partition("=")
        count = _counts(random, int(columns or len(online)))
        rows.append(CorpusRow(label=label, counts=count, text=shown))
    return CorpusText(name, form, online, digits, tight, tuple(rows), f"{form.source}; {source}")


def _range(part: str) -> range:
    first, _, last = part.partition("-")
    return range(int(first), int(last or first) + 1)


def _counts(random: Random, columns: int) -> tuple[int, ...]:
    """Most cells are 0; some are about to wrap."""
    some = (0, 0, 0, 1, random.randrange(10**4), random.randrange(10**9), U32 - 1, U32 - 10**6)
    return tuple(random.choice(some) for _ in range(columns))


_X86 = """
NMI|  Non-maskable interrupts
LOC|  Local timer interrupts
SPU|  Spurious interrupts
PMI|  Performance monitoring interrupts
IWI|  IRQ work interrupts
RTR|  APIC ICR read retries
RES|  Rescheduling interrupts
CAL|  Function call interrupts
TLB|  TLB shootdowns
TRM|  Thermal event interrupts
THR|  Threshold APIC interrupts
DFR|  Deferred Error APIC interrupts
MCE|  Machine check exceptions
MCP|  Machine check polls
"""
_ERRORS = """
ERR=1|
MIS=1|
PIN|  Posted-interrupt notification event
NPI|  Nested posted-interrupt event
PIW|  Posted-interrupt wakeup event
"""
_ERRORS_7 = """
PIN|  Posted-interrupt notification event
VPMI|  Perf Guest Mediated PMI
PMN|  Posted MSI notification event
ERR|  PIC/APIC error interrupts
MIS|  Misrouted IO/APIC interrupts
"""
_HYPERV = """
HYP|  Hypervisor callback interrupts
HRE|  Hyper-V reenlightenment interrupts
HVS|  Hyper-V stimer0 interrupts
"""
_ARM64 = """
IPI0|      Rescheduling interrupts
IPI1|      Function call interrupts
IPI2|      CPU stop interrupts
IPI3|      CPU stop NMIs
IPI4|      Timer broadcast interrupts
IPI5|      IRQ work interrupts
IPI6|      CPU backtrace interrupts
IPI7|      KGDB roundup interrupts
Err=1|
"""
_ARM = """
IPI0| CPU wakeup interrupts
IPI1| Timer broadcast interrupts
IPI2| Rescheduling interrupts
IPI3| Function call interrupts
IPI4| CPU stop interrupts
IPI5| IRQ work interrupts
IPI6| completion interrupts
Err=1|
"""
_RISCV = """
IPI0| Rescheduling interrupts
IPI1| Function call interrupts
IPI2| CPU stop interrupts
IPI3| CPU stop (for crash dump) interrupts
IPI4| IRQ work interrupts
IPI5| Timer broadcast interrupts
"""
_LOONGARCH = """
IPI0| LoongArch  1  Rescheduling interrupts
IPI1| LoongArch  2  Function call interrupts
IPI2| LoongArch  3  IRQ work interrupts
IPI3| LoongArch  4  Clear vector interrupts
ERR=1|
"""
_POWERPC = """
LOC|  Local timer interrupts for timer event device
BCT|  Broadcast timer interrupts for timer event device
LOC|  Local timer interrupts for others
SPU|  Spurious interrupts
PMI|  Performance monitoring interrupts
MCE|  Machine check exceptions
HMI|  Hypervisor Maintenance Interrupts
NMI|  System Reset interrupts
WDG|  Watchdog soft-NMI interrupts
DBL|  Doorbell interrupts
"""
_S390_MAIN = """
EXT|
I/O|
AIO|
"""
_S390 = """
CLK|  [EXT] Clock Comparator
EXC|  [EXT] External Call
EMS|  [EXT] Emergency Signal
VRT|  [EXT] Virtio
CMS|  [EXT] CPU-Measurement: Sampling
CIO|  [I/O] Common I/O Layer Interrupt
DAS|  [I/O] DASD
C15|  [I/O] 3215
QAI|  [AIO] QDIO Adapter Interrupt
PCF|  [AIO] PCI Floating Interrupt
PCD|  [AIO] PCI Directed Interrupt
VAI|  [AIO] Virtual I/O Devices AI
NMI|  [NMI] Machine Check
RST|  [CPU] CPU Restart
"""
_SPARC = """
NMI|     Non-maskable interrupts
"""
_ARCH_TIMER = """
11|GICv3|27|Level|arch_timer
14|GICv3|23|Level|arm-pmu
"""
_IO_APIC = """
0|IO-APIC|2|-edge|timer
1|IO-APIC|1|-edge|i8042
4|IO-APIC|4|-edge|ttyS0
8|IO-APIC|8|-edge|rtc0
9|IO-APIC|9|-fasteoi|acpi
"""
_SHOW_X86 = "arch/x86/kernel/irq.c: arch_show_interrupts"
_SHOW_ARM64 = "arch/arm64/kernel/smp.c: arch_show_interrupts"
_SHOW_ARM = "arch/arm/kernel/smp.c: show_ipi_list; arch/arm/kernel/irq.c: Err"
_SHOW_RISCV = "arch/riscv/kernel/smp.c: show_ipi_stats"
_SHOW_POWERPC = "arch/powerpc/kernel/irq.c: arch_show_interrupts"
_BUNDLE = "kernel/irq/msi.c: msi_create_device_irq_domain names a chip prefix, name, device"

TEXTS = (
    _text(
        "pc-3.10",
        EARLY,
        "0-3",
        """
        0|IO-APIC-edge|||timer
        9|IO-APIC-fasteoi|||acpi
        16|IO-APIC-fasteoi|||ehci_hcd:usb1, i801_smbus
        56*4|PCI-MSI-edge|||ens192-rxtx-{}
        60|PCI-MSI-edge|||vmw_pvscsi
        """,
        _X86 + _ERRORS,
        "arch/x86: -%-8s of the flow handler's name right after the chip",
    ),
    _text(
        "pc-4.19-xt-pic",
        OLD,
        "0",
        """
        0|XT-PIC|||timer
        1|XT-PIC|||i8042
        2|XT-PIC|||cascade
        10|XT-PIC|||uhci_hcd:usb1, eth0, snd_intel8x0
        """,
        "NMI|  Non-maskable interrupts\nERR=1|\nMIS=1|",
        "arch/x86/kernel/i8259.c: no domain",
    ),
    _text(
        "pc-5.10-lapic-timer",
        OLD,
        "0-1",
        """
        0|local-APIC||-edge|timer
        8|IO-APIC|8|-edge|rtc0
        """,
        _X86 + _ERRORS,
        "arch/x86/kernel/apic/io_apic.c: lapic_chip has no domain",
    ),
    _text(
        "desktop-5.15",
        OLD,
        "0-7",
        _IO_APIC
        + """
        16|IO-APIC|16|-fasteoi|ehci_hcd:usb1, i801_smbus
        17|IO-APIC|17|-fasteoi|snd_hda_intel:card1, ath9k
        24|DMAR-MSI|0|-edge|dmar0
        120|PCI-MSI|327680|-edge|xhci_hcd
        122*9|PCI-MSI|524288+|-edge|nvme0q{}
        132|PCI-MSI|32768|-edge|i915
        133|PCI-MSI|514048|-edge|snd_hda_intel:card0
        134|PCI-MSI|442368|-edge|PCIe PME, pciehp
        """,
        _X86 + _ERRORS,
        _SHOW_X86,
    ),
    _text(
        "desktop-6.1-hotplugged",
        OLD,
        "0-2,4,6-7",
        _IO_APIC
        + """
        18|IO-APIC|18|-fasteoi|uhci_hcd:usb3, uhci_hcd:usb7, firewire_ohci
        40|PCI-MSI|512000|-edge|0000:00:1f.2
        41|PCI-MSI|520192|-edge|eno1
        """,
        _X86 + _ERRORS,
        "for_each_online_cpu: offline CPUs have no column",
    ),
    _text(
        "threadirqs-6.1-rt",
        OLD,
        "0-1",
        _IO_APIC
        + """
        12|IO-APIC|12|-edge|i8042
        30|PCI-MSI|49152|-edge|enp0s3-TxRx-0
        31|PCI-MSI|49153|-edge|
        """,
        _X86 + _ERRORS,
        "an irqaction's name is the same with threadirqs; 31 has no action",
    ),
    _text(
        "kvm-guest-6.1",
        OLD,
        "0-3",
        _IO_APIC
        + """
        10|IO-APIC|10|-fasteoi|qxl, virtio3
        11|IO-APIC|11|-fasteoi|uhci_hcd:usb1, ehci_hcd:usb2
        24|PCI-MSI|49152|-edge|virtio0-config
        25*4|PCI-MSI|49153+|-edge|virtio0-input.{}
        29*4|PCI-MSI|49157+|-edge|virtio0-output.{}
        33|PCI-MSI|65537|-edge|virtio1-virtqueues
        34*4|PCI-MSI|81921+|-edge|virtio2-req.{}
        """,
        _X86 + _ERRORS,
        "drivers/virtio/virtio_pci_common.c: vp_request_msix_vectors",
    ),
    _text(
        "xeon-6.1-mlx5",
        OLD,
        "0-63",
        _IO_APIC
        + """
        26*2|DMAR-MSI|0+|-edge|dmar{}
        124|IR-PCI-MSI|12058624|-edge|mlx5_async0@pci:0000:17:00.0
        125*8|IR-PCI-MSI|12058625+|-edge|mlx5_comp{}@pci:0000:17:00.0
        """,
        _X86 + _ERRORS,
        "drivers/net/ethernet/mellanox/mlx5/core/pci_irq.c",
        digits=4,
    ),
    _text(
        "xeon-6.18-i40e",
        BLANK,
        "0-31",
        _IO_APIC
        + """
        200*4|IR-PCI-MSIX-0000:3d:00.0|1+|-edge|i40e-eno1-TxRx-{}
        204|IR-PCI-MSIX-0000:3d:00.0|5|-edge|i40e-0000:3d:00.0:fdir-TxRx-0
        205|IR-PCI-MSIX-0000:3d:00.0|0|-edge|i40e-0000:3d:00.0:misc
        """,
        _X86 + _ERRORS,
        f"{_BUNDLE}; drivers/net/ethernet/intel/i40e",
        digits=4,
    ),
    _text(
        "xeon-6.8-ice",
        OLD,
        "0-15",
        _IO_APIC
        + """
        180|IR-PCI-MSIX-0000:4b:00.0|0|-edge|ice-0000:4b:00.0:misc
        181*4|IR-PCI-MSIX-0000:4b:00.0|1+|-edge|ice-ens1f0-TxRx-{}
        190*2|IR-PCI-MSI-0000:00:16.0|0+|-edge|mei_me
        """,
        _X86 + _ERRORS,
        f"{_BUNDLE}; drivers/iommu/intel/irq_remapping.c: IR-",
        digits=5,
    ),
    _text(
        "epyc-6.1-megaraid",
        OLD,
        "0-127",
        _IO_APIC
        + """
        28*4|IR-PCI-MSI|67633152+|-edge|megasas0-msix{}
        40*2|IR-PCI-MSI|100663296+|-edge|ahci[0000:c0:00.{}]
        60*4|IR-PCI-MSI|2097152+|-edge|enp65s0f0np{}-TxRx-0
        """,
        _X86 + _ERRORS,
        "drivers/scsi/megaraid/megaraid_sas_base.c: %s%u-msix%u",
        digits=4,
    ),
    _text(
        "epyc-6.11-amd-vi",
        OLD,
        "0-7",
        """
        25|IOMMU-MSI|0|-edge|AMD-Vi0-Evt
        26|IOMMU-MSI|1|-edge|AMD-Vi0-PPR
        40*3|IR-PCI-MSIX-0000:41:00.0|0+|-edge|enp65s0f0np0-rx-{}
        55*2|IR-PCI-MSIX-0000:01:00.0|0+|-edge|nvme0q{}
        """,
        _X86 + _ERRORS,
        "drivers/iommu/amd/init.c: IOMMU-MSI, AMD-Vi%d-Evt; drivers/nvme/host/pci.c",
    ),
    _text(
        "epyc-7.3",
        ALIGNED,
        "0-3",
        _IO_APIC
        + """
        27|IR-IO-APIC|9|-fasteoi|acpi, ACPI:Ged
        40*4|IR-PCI-MSIX-0000:41:00.0|0+|-edge|eth0-TxRx-{}
        50|PCI-MSI-0000:00:1f.2|0|-edge|ahci[0000:00:1f.2]
        """,
        _X86 + _ERRORS_7,
        "arch/x86/kernel/irq.c of 7.3: irq_stat_info has ERR and MIS by CPU",
        digits=4,
    ),
    _text(
        "vm-7.3-one-cpu",
        ALIGNED,
        "0",
        _IO_APIC
        + """
        24|PCI-MSIX-0000:00:02.0|0|-edge|virtio0-config
        25|PCI-MSIX-0000:00:02.0|1|-edge|virtio0-input.0
        """,
        _X86 + _ERRORS_7,
        "arch/x86/kernel/irq.c of 7.3",
        digits=4,
    ),
    _text(
        "hyperv-6.1",
        OLD,
        "0-3",
        _IO_APIC
        + """
        24|Hyper-V PCIe MSI|3221225472|-edge|mlx5_async0@pci:c05b:00:02.0
        25*4|Hyper-V PCIe MSI|3221225473+|-edge|mlx5_comp{}@pci:c05b:00:02.0
        """,
        _X86 + _HYPERV + _ERRORS,
        "drivers/pci/controller/pci-hyperv.c: hv_msi_irq_chip",
    ),
    _text(
        "azure-6.8-mana",
        OLD,
        "0-1",
        """
        24|Hyper-V PCIe MSI|4194304|-edge|mana_hwc@pci:7870:00:00.0
        25*2|Hyper-V PCIe MSI|4194305+|-edge|mana_q{}@pci:7870:00:00.0
        """,
        _X86 + _HYPERV + _ERRORS,
        "drivers/net/ethernet/microsoft/mana/gdma_main.c",
    ),
    _text(
        "azure-arm64-6.8",
        OLD,
        "0-3",
        _ARCH_TIMER
        + """
        19|GICv3|18|Level|Hyper-V VMbus
        30*4|Hyper-V PCIe MSI|1+|Edge|mana_q{}@pci:7870:00:00.0
        """,
        _ARM64,
        f"{_SHOW_ARM64}; pci-hyperv.c: FLOW_NAME is NULL",
        tight=True,
    ),
    _text(
        "gcp-6.6-gve",
        OLD,
        "0-3",
        _IO_APIC
        + """
        26*4|PCI-MSI|81920+|-edge|gve-ntfy-blk{}@pci:0000:00:05.0
        30|PCI-MSI|81924|-edge|gve-mgmnt@pci:0000:00:05.0
        """,
        _X86 + _ERRORS,
        "drivers/net/ethernet/google/gve/gve_main.c",
    ),
    _text(
        "ec2-6.1-ena",
        OLD,
        "0-3",
        _IO_APIC
        + """
        24*3|PCI-MSI|65536+|-edge|nvme0q{}
        27|PCI-MSI|81920|-edge|ena-mgmnt@pci:0000:00:05.0
        28*2|PCI-MSI|81921+|-edge|eth0-Tx-Rx-{}
        """,
        _X86 + _ERRORS,
        "drivers/net/ethernet/amazon/ena/ena_netdev.c",
    ),
    _text(
        "graviton-6.1-ena",
        OLD,
        "0-15",
        _ARCH_TIMER
        + """
        13|GICv3|36|Edge|ACPI:Event
        40|ITS-MSI|81920|Edge|ena-mgmnt@pci:0000:00:05.0
        41*8|ITS-MSI|81921+|Edge|eth0-Tx-Rx-{}
        50*3|ITS-MSI|65536+|Edge|nvme0q{}
        """,
        _ARM64,
        f"{_SHOW_ARM64}; ITS-MSI",
        tight=True,
    ),
    _text(
        "graviton-6.18-ena",
        BLANK,
        "0-3",
        _ARCH_TIMER
        + """
        40*4|ITS-PCI-MSIX-0000:00:05.0|1+|Edge|eth0-Tx-Rx-{}
        """,
        _ARM64,
        f"{_BUNDLE}; irq-gic-v3-its-msi-parent.c: prefix ITS-",
        digits=4,
        tight=True,
    ),
    _text(
        "xen-pv-4.14",
        OLD,
        "0-1",
        """
        16|xen-percpu||-virq|timer0
        17|xen-percpu||-ipi|resched0
        18|xen-percpu||-ipi|callfunc0
        48|xen-dyn||-event|xenbus
        49|xen-dyn||-event|blkif
        50*2|xen-dyn||-event|eth0-q{}-tx
        52*2|xen-dyn||-event|eth0-q{}-rx
        54|xen-dyn||-virq|hvc_console
        """,
        _X86 + _ERRORS,
        "drivers/xen/events/events_base.c: event, ipi and virq, no domain",
    ),
    _text(
        "xen-dom0-6.1",
        OLD,
        "0-3",
        """
        9|xen-pirq||-ioapic-level|acpi
        16|xen-pirq||-ioapic-level|ehci_hcd:usb1, i801_smbus
        60|xen-pirq||-msi|ahci[0000:00:17.0]
        61*4|xen-pirq||-msi-x|nvme0q{}
        70|xen-dyn-lateeoi||-event|vif1.0-q0-tx
        71|xen-dyn-lateeoi||-event|vif1.0-q0-rx
        """,
        _X86 + "HYP|  Hypervisor callback interrupts" + _ERRORS,
        "drivers/xen/events/events_base.c: xen_bind_pirq_msi_to_irq, shared pirqs",
        digits=5,
    ),
    _text(
        "xen-hvm-6.13",
        NO_BLANK,
        "0-1",
        _IO_APIC
        + """
        20|xen-percpu||-virq|timer0
        25|xen-dyn||-event|vif0-q0-tx
        """,
        _X86 + "HYP|  Hypervisor callback interrupts" + _ERRORS,
        "events_base.c; " + _SHOW_X86,
    ),
    _text(
        "xen-arm64-6.1",
        OLD,
        "0-1",
        _ARCH_TIMER
        + """
        40|xen-percpu||Edge-virq|timer0
        41|xen-dyn||Edge-event|xenbus
        42|xen-dyn||Edge-event|eth0
        """,
        _ARM64,
        "GENERIC_IRQ_SHOW_LEVEL of arm64 beside events_base.c's names",
        tight=True,
    ),
    _text(
        "rpi3-6.1",
        OLD,
        "0-3",
        """
        17|ARMCTRL-level|1|Edge|3f00b880.mailbox
        23|bcm2836-timer|1|Edge|arch_timer
        24|bcm2836-pmu|9|Edge|arm-pmu
        40|ARMCTRL-level|41|Edge|3f980000.usb, dwc2_hsotg:usb1
        62|ARMCTRL-level|89|Edge|uart-pl011
        """,
        _ARM64,
        "drivers/irqchip/irq-bcm2835.c, irq-bcm2836.c",
        tight=True,
    ),
    _text(
        "rpi2-arm-5.15-fiq",
        OLD,
        "0-3",
        """
        23|bcm2836-timer|1|Edge|arch_timer
        40|ARMCTRL-level|41|Edge|3f980000.usb, dwc_otg_pcd, dwc_otg_hcd:usb1
        """,
        "FIQ=0|             usb_fiq" + _ARM,
        "arch/arm/kernel/fiq.c: show_fiq_list has no counts",
    ),
    _text(
        "rpi4-6.1",
        OLD,
        "0-3",
        """
        11|GICv2|30|Level|arch_timer
        20|GICv2|114|Level|DMA IRQ
        26|GICv2|153|Level|uart-pl011
        30*2|GICv2|189+|Level|eth0
        33|BRCM STB PCIe MSI|524288|Edge|xhci_hcd
        38|GICv2|158|Level|mmc1, mmc0
        """,
        _ARM64,
        "drivers/irqchip/irq-gic.c; drivers/pci/controller/pcie-brcmstb.c",
        tight=True,
    ),
    _text(
        "rpi5-6.12",
        OLD,
        "0-3",
        """
        13|GICv2|26|Level|arch_timer
        158|107d508200.gpio|20|Edge|pwr_button
        """,
        _ARM64,
        f"{_SHOW_ARM64}; gpio-brcmstb.c: a chip of the device's name",
        tight=True,
    ),
    _text(
        "rk3588-6.18",
        BLANK,
        "0-7",
        _ARCH_TIMER
        + """
        23|GICv3-23|0|Level|arm-pmu
        45|GICv3|364|Level|fea10000.dma-controller
        70|ITS-PCI-MSI-0004:41:00.0|0|Edge|enP4p65s0
        90|rockchip_gpio_irq|6|Level|fusb302_interrupt_int_n, bt_default_wake_host_irq
        """,
        _ARM64,
        "drivers/irqchip/irq-partition-percpu.c, irq-gic-v3.c",
        tight=True,
    ),
    _text(
        "kunpeng-6.1-hns3",
        OLD,
        "0-95",
        _ARCH_TIMER
        + """
        120|ITS-MSI|65536|Edge|hns3-0000:7d:00.0-misc
        121*4|ITS-MSI|65537+|Edge|hns3-0000:7d:00.0-TxRx-{}
        200|Hisilicon MBIGEN-V2|640|Edge|hisi_sas_v2_hw, phy
        201|mbigen-v2|641|Level|ehci_hcd:usb1, ohci_hcd:usb2
        """,
        _ARM64,
        "drivers/net/ethernet/hisilicon/hns3/hns3_enet.c; irq-mbigen.c",
        digits=4,
    ),
    _text(
        "thunderx-6.1-octeontx2",
        OLD,
        "0-3",
        """
        20|ITS-MSI|1048576|Edge|RVUPF1_FLR0
        21|ITS-MSI|1048577|Edge|RVUPFAF Mbox
        22*2|ITS-MSI|1048578+|Edge|eth0-rxtx-{}
        """,
        _ARM64,
        "drivers/net/ethernet/marvell/octeontx2/nic/otx2_pf.c",
        tight=True,
    ),
    _text(
        "layerscape-6.13-its-fmsi",
        NO_BLANK,
        "0-1",
        """
        3|GICv3|30|Level|arch_timer
        26|~ITS-fMSI|230000|Edge|dpio.3
        27|~ITS-fMSI|230001|Edge|dpio.2
        """,
        _ARM64,
        "irq-gic-v3-its-fsl-mc-msi.c",
        tight=True,
    ),
    _text(
        "renesas-6.13-gic",
        NO_BLANK,
        "0-1",
        """
        27|~GIC-0|27|Level|arch_timer
        29|~GIC-0|205|Level|e60b0000.i2c
        31|~GIC-0|36|Level|e6050000.gpio
        """,
        _ARM,
        "drivers/irqchip/irq-gic.c: gic_irq_print_chip",
    ),
    _text(
        "aspeed-bmc-6.13-digits",
        NO_BLANK,
        "0-1",
        """
        18|~GIC-0|29|Level|arch_timer
        60|~1e780000.gpio|21|Edge|checkstop
        61|~1e780000.gpio|150|Edge|id-button
        62|~40008000.mic|5|Level|timer
        """,
        _ARM,
        "drivers/gpio/gpio-aspeed.c, irq-lpc32xx.c: a name that begins with digits",
    ),
    _text(
        "aspeed-bmc-6.12-digits",
        OLD,
        "0-1",
        """
        60|~1e780000.gpio|21|Edge|checkstop
        61|~1e780500.sgpio|150|Edge|id-button, power-button
        """,
        _ARM,
        "drivers/gpio/gpio-aspeed.c: aspeed_gpio_irq_print_chip",
    ),
    _text(
        "aspeed-bmc-6.15-digits",
        BLANK,
        "0-1",
        """
        60|~1e780000.gpio|21|Edge|checkstop
        """,
        _ARM,
        "drivers/gpio/gpio-aspeed.c",
    ),
    _text(
        "turris-mox-6.6",
        OLD,
        "0-1",
        """
        9|GICv3|30|Level|arch_timer
        60|~ moxtet-peridot.1#3|3|Edge|mv88e6xxx-g1
        61|~GPIO1|5|Edge|f1034000.usb
        """,
        _ARM64,
        "drivers/bus/moxtet.c: moxtet_irq_print_chip",
        tight=True,
    ),
    _text(
        "mediatek-6.1-intx",
        OLD,
        "0-3",
        """
        13|GICv3|30|Level|arch_timer
        120|INTx|0|Level-INTx|mt7921e
        121|MTK MSI|0|Edge|ath10k_pci
        """,
        _ARM64,
        "drivers/pci/controller/pcie-mediatek-gen3.c: flow name INTx",
        tight=True,
    ),
    _text(
        "power9-6.1-xive",
        OLD,
        "0,8,16,24",
        """
        16|XIVE-IPI|0|Edge|IPI-0
        19|XIVE-IRQ|4096|Edge|RAS_EPOW
        20|XIVE-IRQ|4097|Level|ibmvscsi
        30*4|PNV-PCI-MSI|4178+|Edge|i40e-enP48p1s0f2-TxRx-{}
        510|PNV-PCI-MSI|532|Edge|nvme0q1
        """,
        _POWERPC,
        f"{_SHOW_POWERPC}; arch/powerpc/sysdev/xive/common.c",
        digits=4,
    ),
    _text(
        "power8-5.15-xics",
        OLD,
        "0-7",
        """
        16|XICS|2|Edge|IPI
        17|XICS|4101|Level|hvc_console
        18*2|pSeries-PCI-MSI|5632+|Edge|eth{}
        505|XICS|589832|Level|ibmveth
        """,
        _POWERPC,
        f"{_SHOW_POWERPC}; arch/powerpc/sysdev/xics",
        digits=4,
    ),
    _text(
        "p4080-6.1-mpic",
        OLD,
        "0-1",
        """
        16| OpenPIC  |16|Level|[EDAC] MC err
        20|~ fsl-msi-224|0|Edge|eth0-tx
        36| OpenPIC  |36|Level|serial, ttyS1
        """,
        _POWERPC,
        "arch/powerpc/sysdev: fsl_msi.c: fsl_msi_print_chip; mpic.c: a name within blanks",
    ),
    _text("s390-6.1", S390, "0-3", "", _S390_MAIN + _S390, "irqclass_main_desc, irqclass_sub_desc"),
    _text(
        "s390-6.12-pci",
        S390,
        "0-1",
        """
        3|PCI-MSI|||mlx5_async0@pci:0001:00:00.0
        4*4|PCI-MSI|||mlx5_comp{}@pci:0001:00:00.0
        8|PCI-MSI|||nvme0q0
        9|PCI-MSI|||enP1 3
        """,
        _S390_MAIN + _S390,
        "show_msi_interrupt has neither hwirq nor trigger",
    ),
    _text(
        "riscv-6.1-plic",
        OLD,
        "0-3",
        """
        1|SiFive PLIC|8|Edge|virtio0
        2|SiFive PLIC|10|Edge|ttyS0
        5|RISC-V INTC|5|Edge|riscv-timer
        6|SiFive PLIC|11|Edge|101000.rtc
        """,
        _RISCV,
        f"{_SHOW_RISCV}; irq-sifive-plic.c, irq-riscv-intc.c",
        tight=True,
    ),
    _text(
        "riscv-6.12-aia",
        OLD,
        "0-3",
        """
        10|RISC-V INTC|5|Edge|riscv-timer
        12|APLIC-MSI-d000000.interrupt-controller|8|Level-fasteoi|virtio1
        13|APLIC-MSI-d000000.interrupt-controller|10|Level-fasteoi|ttyS0
        14|PCI-MSIX-0000:00:01.0|0|Edge|virtio2-config
        20|IMSIC|1|Edge|IPI
        """,
        _RISCV,
        "drivers/irqchip/irq-riscv-aplic-msi.c: handler_name fasteoi",
        digits=4,
    ),
    _text(
        "jh8100-6.12",
        OLD,
        "0-3",
        """
        5|RISC-V INTC|5|Edge|riscv-timer
        8|SiFive PLIC|32|Edge|ttyS0
        30|SiFive PLIC|7|Edge|eth0
        31|StarFive JH8100 INTC|2|Edge|13010000.spi
        """,
        _RISCV,
        f"{_SHOW_RISCV}; irq-starfive-jh8100-intc.c",
        tight=True,
    ),
    _text(
        "loongarch-6.1",
        OLD,
        "0-3",
        """
        14|CPUINTC|12||IPI
        15|CPUINTC|11||timer
        18|LIOINTC|10||ttyS0
        22|PCH PIC|5||ahci[0000:00:08.0]
        23|PCH PIC|116||xhci-hcd:usb1, xhci-hcd:usb3
        40|PCH PCI MSI|48||eth0
        41|PCH PCI MSI|49||nvme0q0, nvme0q1
        """,
        _LOONGARCH,
        "arch/loongarch/kernel/smp.c: show_ipi_list; no level there",
        tight=True,
    ),
    _text(
        "loongarch-6.12",
        OLD,
        "0-3,5",
        """
        14|CPUINTC|12||IPI
        22|EIOINTC|5||acpi
        40*3|PCH-PCI-MSIX-0000:05:00.0|0+||nvme0q{}
        50|PCH LPC|1||i8042
        """,
        _LOONGARCH,
        "drivers/irqchip/irq-loongson-pch-msi.c: prefix PCH-",
        tight=True,
    ),
    _text(
        "mips-malta-6.1",
        OLD,
        "0-1",
        """
        16|MIPS|2||cascade
        23|MIPS GIC Local|1||timer
        24|MIPS GIC|29||ehci_hcd:usb1, eth0
        7|MIPS|7||timer
        8|XT-PIC|8||rtc0
        """,
        "ERR=1|",
        "arch/mips/kernel/irq.c; drivers/irqchip/irq-mips-gic.c",
    ),
    _text(
        "mips-ath79-6.6",
        OLD,
        "0",
        """
        5|MIPS|5||ag71xx.0
        7|MIPS|7||timer
        40|AR724X PCI|0||ath9k
        41|MISC|3||ttyS0
        """,
        "ERR=1|",
        "arch/mips/pci/pci-ar724x.c, irq-ath79-misc.c",
    ),
    _text(
        "mips-ip32-6.1",
        OLD,
        "0",
        """
        8|IP32 MACE ISA||-edge|rtc
        9|IP32 CRIME||-level|CRIME memory error
        """,
        "ERR=1|",
        "arch/mips/sgi-ip32/ip32-irq.c: flow names without a domain",
    ),
    _text(
        "octeon-6.1",
        OLD,
        "0-1",
        """
        23|Core|7||timer
        24|CIU|32||SMP-IPI
        40|CIU|58||serial, i2c-octeon
        """,
        "ERR=1|",
        "arch/mips/cavium-octeon/octeon-irq.c",
    ),
    _text(
        "sparc64-6.1",
        OLD,
        "0-3,8",
        """
        1|sun4v||-IVEC|su(console)
        2|vsun4v||-IVEC|DS RX
        3|vsun4v||-IVEC|DS TX
        8|PCI-MSI||-MSI|nvme0q0
        """,
        _SPARC,
        "arch/sparc/kernel/irq_64.c: IVEC, no domain; pci_msi.c, ldc.c: names with blanks",
    ),
    _text(
        "parisc-6.1",
        PARISC,
        "0-1",
        """
        64|CPU|||timer
        65|CPU|||IPI
        67|IO-SAPIC-level|||ehci_hcd:usb1, sym53c8xx
        """,
        "STK|  Kernel stack usage\nRES|  Rescheduling interrupts\nTLB|  TLB shootdowns",
        "arch_show_interrupts; the header is right-aligned",
    ),
    _text(
        "alpha-6.1",
        OLD,
        "0-1",
        """
        1|XT-PIC|||i8042
        8|dummy||-RTC|timer
        24|DP264|||eth0, sym53c8xx
        """,
        "IPI|\nPMI|          Performance Monitoring\nERR=1|",
        "arch/alpha/kernel/irq.c: IPI has no text",
    ),
    _text(
        "xtensa-6.1",
        OLD,
        "0-1",
        """
        2|xtensa-mx|2|-level|eth0
        6|xtensa-mx|6|-timer|timer
        """,
        "RES|   Rescheduling interrupts\nCAL|   Function call interrupts\n"
        "DIE|   CPU shutdown interrupts",
        "arch/xtensa/kernel/smp.c: show_ipi_list",
    ),
    _text(
        "sh-6.1",
        OLD,
        "0",
        """
        16|sh7785||-level|sh-tmu.0
        20|sh7785||-level|8250, eth0
        """,
        "NMI|  Non-maskable interrupts\nERR=1|",
        "arch/sh/kernel/irq.c; drivers/sh/intc/core.c",
    ),
    _text(
        "vmware-6.1-vmxnet3",
        OLD,
        "0-3",
        _IO_APIC
        + """
        17|IO-APIC|17|-fasteoi|ehci_hcd:usb1, ioc0
        24|PCI-MSI|344064|-edge|PCIe PME, pciehp
        56*4|PCI-MSI|1572864+|-edge|ens160-rxtx-{}
        60|PCI-MSI|1572868|-edge|ens160-event-4
        61|PCI-MSI|129024|-edge|vmci
        """,
        _X86 + _ERRORS,
        "drivers/net/vmxnet3/vmxnet3_drv.c: vmxnet3_request_irqs",
    ),
    _text(
        "mellanox-sf-6.6",
        OLD,
        "0-3",
        """
        100|IR-PCI-MSI|1048576|-edge|enp5s0f4d1 (queue 11)
        101|IR-PCI-MSI|1048577|-edge|mlx4-6@0000:05:00.0
        102|IR-PCI-MSI|1048578|-edge|12-34 5 edge
        103|IR-PCI-MSI|1048579|-edge|mlx5_sf_comp0@pci:0000:17:00.0
        """,
        _X86 + _ERRORS,
        "drivers/net/ethernet/mellanox: names with blanks and brackets",
    ),
    _text(
        "many-cpus-6.18",
        BLANK,
        "0-255",
        """
        40*2|PCI-MSIX-0000:00:02.0|0+|-edge|virtio1-req.{}
        100000|DMAR-MSI|1|-edge|dmar1
        """,
        _X86 + _ERRORS,
        f"{_BUNDLE}; {_SHOW_X86}",
        digits=6,
    ),
    _text(
        "vmd-6.12",
        OLD,
        "0-3",
        """
        150|VMD-MSI|0|-edge|vmd0
        151|PCI-MSIX-10000:01:00.0|0|-edge|nvme0q0
        152|PCI-MSI|576460752169205760|-edge|vmd1
        """,
        _X86 + _ERRORS,
        "drivers/pci/controller/vmd.c; pci_msi_domain_calc_hwirq: domain << 27",
    ),
)
"""Each text, by its own name."""
