"""The names that drivers give their interrupts: every Ethernet driver of Linux 6.1 and 7.3, read
from the drivers' request_irq calls and what builds their names, and the storage drivers. The module
is long because it is one table. `identify.name_forms` reads it, docs/queues.md shows it.

Columns: drivers as in /sys/bus/*/drivers, apart by `, ` | form | what it serves | source file |
what {n} counts | how queues are shared out where there are fewer vectors than queues | a rule of
`identify.vector_orders`. Holes: {if} interface, {pci} PCI address, {dev} the device's folder in
/sys, {vif} vifN of a Xen device vif-N, {vifback} vifN.M of a Xen backend vif-N-M, {disk} disk or
controller, {n} the number that counts vectors or queues, {m} any other number, {text} any text.
Serves: rxtx one pair of queues, rx, tx one queue, all every queue of the interface, io a queue of a
disk, none no queue, elsewhere: the driver's queues arrive through interrupts that are no device's
own.
"""

from __future__ import annotations

TABLE = """
# Not queues, though some look like it. The first form that fits a name decides.
i40e | i40e-{pci}:fdir-TxRx-{n} | none | drivers/net/ethernet/intel/i40e/i40e_main.c
i40e | i40e-{pci}:misc | none | drivers/net/ethernet/intel/i40e/i40e_main.c
iavf | iavf-{pci}:mbx | none | drivers/net/ethernet/intel/iavf/iavf_main.c
ice | ice-{pci}:ctrl-TxRx-{n} | none | drivers/net/ethernet/intel/ice/ice_main.c
ice | ice-{pci}:misc | none | drivers/net/ethernet/intel/ice/ice_main.c
ice | ice-{pci}:ll_ts | none | drivers/net/ethernet/intel/ice/ice_main.c
idpf | idpf-Mailbox-{n} | none | drivers/net/ethernet/intel/idpf/idpf_lib.c
tg3 | {if}-{n} | none | drivers/net/ethernet/broadcom/tg3.c
ena | ena-mgmnt@pci:{pci} | none | drivers/net/ethernet/amazon/ena/ena_netdev.c
amd-xgbe | {if}-pcs | none | drivers/net/ethernet/amd/xgbe/xgbe-drv.c
amd-xgbe | {if}-ecc | none | drivers/net/ethernet/amd/xgbe/xgbe-drv.c
amd-xgbe | {if}-i2c | none | drivers/net/ethernet/amd/xgbe/xgbe-drv.c
gve | gve-mgmnt@pci:{pci} | none | drivers/net/ethernet/google/gve/gve_main.c
gve | {if}-mgmnt | none | drivers/net/ethernet/google/gve/gve_main.c
alibaba_eea | eea-ha@{pci} | none | drivers/net/ethernet/alibaba/eea/eea_pci.c
cxgb4 | {if}-FWeventq | none | drivers/net/ethernet/chelsio/cxgb4/cxgb4_main.c
cxgb4 | {if}-iw_cxgb4{n} | none | drivers/infiniband/hw/cxgb4/device.c
cxgb4 | {if}-cxgb4i{n} | none | drivers/scsi/cxgbi/cxgb4i/cxgb4i.c
cxgb4 | {if}-cxgbit{n} | none | drivers/target/iscsi/cxgbit/cxgbit_main.c
cxgb4 | {if}-chcr{n} | none | drivers/crypto/chelsio/chcr_core.c
cxgb4vf | {pci}-FWeventq | none | drivers/net/ethernet/chelsio/cxgb4vf/cxgb4vf_main.c
enic | {if}-err | none | drivers/net/ethernet/cisco/enic/enic_main.c
enic | {if}-notify | none | drivers/net/ethernet/cisco/enic/enic_main.c
enic | {pci}-admin | none | drivers/net/ethernet/cisco/enic/enic_admin.c
bna | bna | none | drivers/net/ethernet/brocade/bna/bnad.c
nicvf | {if}-rbdr-{n} | none | drivers/net/ethernet/cavium/thunder/nicvf_main.c
nicvf | {if}-qset-err-{n} | none | drivers/net/ethernet/cavium/thunder/nicvf_main.c
nicvf | NICVF Mbox | none | drivers/net/ethernet/cavium/thunder/nicvf_main.c
nicpf | NICPF Mbox{n} | none | drivers/net/ethernet/cavium/thunder/nic_main.c
thunder_bgx | BGX{n} | none | drivers/net/ethernet/cavium/thunder/thunder_bgx.c
LiquidIO | LiquidIO{m}-pf{m}-aux | none | drivers/net/ethernet/cavium/liquidio/lio_core.c
hns3 | hclge-misc-{pci} | none | drivers/net/ethernet/hisilicon/hns3/hns3pf/hclge_main.c
hns3 | hclgevf-misc-{pci} | none | drivers/net/ethernet/hisilicon/hns3/hns3vf/hclgevf_main.c
hibmcge | hibmcge-{pci}-err | none | drivers/net/ethernet/hisilicon/hibmcge/hbg_irq.c
hinic | hinic_aeq{n}@pci:{pci} | none | drivers/net/ethernet/huawei/hinic/hinic_hw_eqs.c
hinic | hinic_ceq{n}@pci:{pci} | none | drivers/net/ethernet/huawei/hinic/hinic_hw_eqs.c
hinic3 | hinic3_aeq{n}@pci:{pci} | none | drivers/net/ethernet/huawei/hinic3/hinic3_eqs.c
hinic3 | hinic3_ceq{n}@pci:{pci} | none | drivers/net/ethernet/huawei/hinic3/hinic3_eqs.c
ibmvnic | ibmvnic-{dev} | none | drivers/net/ethernet/ibm/ibmvnic.c
ehea | {if}-aff | none | drivers/net/ethernet/ibm/ehea/ehea_main.c
ehea | ehea_neq | none | drivers/net/ethernet/ibm/ehea/ehea_main.c
emac | EMAC | none | drivers/net/ethernet/ibm/emac/core.c
mcmal | MAL SERR | none | drivers/net/ethernet/ibm/emac/mal.c
mcmal | MAL TX DE | none | drivers/net/ethernet/ibm/emac/mal.c
mcmal | MAL RX DE | none | drivers/net/ethernet/ibm/emac/mal.c
mpc52xx-fec | mpc52xx-fec_ctrl | none | drivers/net/ethernet/freescale/fec_mpc52xx.c
fsl-gianfar | {if}_g{n}_er | none | drivers/net/ethernet/freescale/gianfar.c
fsl_enetc | {if}-vfmsg | none | drivers/net/ethernet/freescale/enetc/enetc_msg.c
fsl-fman | fman | none | drivers/net/ethernet/freescale/fman/fman.c
fsl-fman | fman-err | none | drivers/net/ethernet/freescale/fman/fman.c
airoha-npu | airoha-npu-mbox | none | drivers/net/ethernet/airoha/airoha_npu.c
airoha-npu | airoha-npu-wdt | none | drivers/net/ethernet/airoha/airoha_npu.c
bmac | BMAC-misc | none | drivers/net/ethernet/apple/bmac.c
mace | MACE | none | drivers/net/ethernet/apple/mace.c
gemini-ethernet-port | ethernet{n} | none | drivers/net/ethernet/cortina/gemini.c
declance | lance error | none | drivers/net/ethernet/amd/declance.c
82596 | i82596_error | none | drivers/net/ethernet/i825xx/82596.c
mlx5_core | mlx5_async{n}@pci:{pci} | none | drivers/net/ethernet/mellanox/mlx5/core/pci_irq.c
mlx5_core | mlx5_sf_ctrl{n}@pci:{pci} | none | drivers/net/ethernet/mellanox/mlx5/core/pci_irq.c
mlx4_core | mlx4-async@pci:{pci} | none | drivers/net/ethernet/mellanox/mlx4/eq.c
mlxsw_i2c | mlxsw-i2c | none | drivers/net/ethernet/mellanox/mlxsw/i2c.c
mlxbf_gige | mlxbf_gige_error | none | drivers/net/ethernet/mellanox/mlxbf_gige/mlxbf_gige_intr.c
mlxbf_gige | mlxbf_gige_llu_plu | none | drivers/net/ethernet/mellanox/mlxbf_gige/mlxbf_gige_intr.c
fbnic | {pci} | none | drivers/net/ethernet/meta/fbnic/fbnic_irq.c
mana | mana_hwc@pci:{pci} | none | drivers/net/ethernet/microsoft/mana/gdma_main.c
virtio_net | virtio{m}-config | none | drivers/virtio/virtio_pci_common.c
vmxnet3 | {if}-event-{n} | none | drivers/net/vmxnet3/vmxnet3_drv.c
sfc, sfc_ef100 | {if}-xdp-{n} | none | drivers/net/ethernet/sfc/efx_channels.c
sfc_siena | {if}-xdp-{n} | none | drivers/net/ethernet/sfc/siena/efx_channels.c
sfc | {if}-ptp | none | drivers/net/ethernet/sfc/ptp.c
sfc_ef100 | {if}-mae | none | drivers/net/ethernet/sfc/tc_counters.c
sfc_siena | {if}-ptp | none | drivers/net/ethernet/sfc/siena/ptp.c
sfc_siena | {if}-iov | none | drivers/net/ethernet/sfc/siena/siena_sriov.c
ionic | ionic-{pci}-L{m}-admin | none | drivers/net/ethernet/pensando/ionic/ionic_lif.c
nfp | ctrl-rxtx-{n} | none | drivers/net/ethernet/netronome/nfp/nfp_net_common.c
nfp | {if}-lsc | none | drivers/net/ethernet/netronome/nfp/nfp_net_common.c
nfp | {if}-exn | none | drivers/net/ethernet/netronome/nfp/nfp_net_common.c
qlcnic | qlcnic-MB | none | drivers/net/ethernet/qlogic/qlcnic/qlcnic_83xx_hw.c
txgbe | txgbe-link-irq | none | drivers/net/ethernet/wangxun/txgbe/txgbe_irq.c
txgbe | txgbe-gpio-irq | none | drivers/net/ethernet/wangxun/txgbe/txgbe_irq.c
rvu_nicpf, rvu_nicvf | {if}-qerr | none | drivers/net/ethernet/marvell/octeontx2/nic/otx2_pf.c
rvu_nicpf | RVUPFAF Mbox | none | drivers/net/ethernet/marvell/octeontx2/nic/otx2_pf.c
rvu_nicpf | RVUPF{n} AFPF Mbox | none | drivers/net/ethernet/marvell/octeontx2/nic/otx2_pf.c
rvu_nicvf | RVUVFAF Mbox | none | drivers/net/ethernet/marvell/octeontx2/nic/otx2_vf.c
rvu_nicvf | RVUVF{n} AFVF Mbox | none | drivers/net/ethernet/marvell/octeontx2/nic/otx2_vf.c
mtk_soc_eth | mtk_eth | none | drivers/net/ethernet/mediatek/mtk_wed_wo.c
lan966x-switch | ana irq | none | drivers/net/ethernet/microchip/lan966x/lan966x_main.c
lan966x-switch | ptp irq | none | drivers/net/ethernet/microchip/lan966x/lan966x_main.c
lan966x-switch | ptp-ext irq | none | drivers/net/ethernet/microchip/lan966x/lan966x_main.c
sparx5-switch | sparx5-ptp | none | drivers/net/ethernet/microchip/sparx5/sparx5_ptp.c
ocelot-switch | ptp ready | none | drivers/net/ethernet/mscc/ocelot_vsc7514.c
ravb | {if}:ch22:multi | none | drivers/net/ethernet/renesas/ravb_main.c
ravb | {if}:ch24:emac | none | drivers/net/ethernet/renesas/ravb_main.c
ravb | {if}:err_a | none | drivers/net/ethernet/renesas/ravb_main.c
ravb | {if}:mgmt_a | none | drivers/net/ethernet/renesas/ravb_main.c
ravb | {dev}:ch22:multi | none | drivers/net/ethernet/renesas/ravb_main.c
ravb | {dev}:ch24:emac | none | drivers/net/ethernet/renesas/ravb_main.c
ravb | {dev}:err_a | none | drivers/net/ethernet/renesas/ravb_main.c
ravb | {dev}:mgmt_a | none | drivers/net/ethernet/renesas/ravb_main.c
renesas_eth_sw | rswitch: gwca0_rxts0 | none | drivers/net/ethernet/renesas/rswitch_main.c
stmmaceth, intel-eth-pci, dwmac-loongson-pci, dwmac-motorcomm, s32-dwmac | {if}:mac | none | drivers/net/ethernet/stmicro/stmmac/stmmac_main.c
stmmaceth, intel-eth-pci, dwmac-loongson-pci, dwmac-motorcomm, s32-dwmac | {if}:wol | none | drivers/net/ethernet/stmicro/stmmac/stmmac_main.c
stmmaceth, intel-eth-pci, dwmac-loongson-pci, dwmac-motorcomm, s32-dwmac | {if}:safety-ce | none | drivers/net/ethernet/stmicro/stmmac/stmmac_main.c
stmmaceth, intel-eth-pci, dwmac-loongson-pci, dwmac-motorcomm, s32-dwmac | {if}:safety-ue | none | drivers/net/ethernet/stmicro/stmmac/stmmac_main.c
stmmaceth, intel-eth-pci, dwmac-loongson-pci, dwmac-motorcomm, s32-dwmac | {if}:safety | none | drivers/net/ethernet/stmicro/stmmac/stmmac_main.c
niu | {if}:MAC | none | drivers/net/ethernet/sun/niu.c
niu | {if}:MIF | none | drivers/net/ethernet/sun/niu.c
niu | {if}:SYSERR | none | drivers/net/ethernet/sun/niu.c
forcedeth | {if}-other | none | drivers/net/ethernet/nvidia/forcedeth.c
qcom-emac | emac-sgmii | none | drivers/net/ethernet/qualcomm/emac/emac-sgmii.c
qede | sp-{m}-{text} | none | drivers/net/ethernet/qlogic/qed/qed_main.c
cxgb4 | {if}-eorxq{n} | none | drivers/net/ethernet/chelsio/cxgb4/cxgb4_tc_mqprio.c
cxgb4 | {if}-mirrorrxq{n} | none | drivers/net/ethernet/chelsio/cxgb4/cxgb4_main.c
octeon_ep | {if}-epf_{text} | none | drivers/net/ethernet/marvell/octeon_ep/octep_main.c
idpf | idpf-{pci}-Mailbox-{n} | none | drivers/net/ethernet/intel/idpf/idpf_lib.c

# Queues.
igb | {if}-TxRx-{n} | rxtx | drivers/net/ethernet/intel/igb/igb_main.c | queue index
igb | {if}-rx-{n} | rx | drivers/net/ethernet/intel/igb/igb_main.c | Rx queue index
igb | {if}-tx-{n} | tx | drivers/net/ethernet/intel/igb/igb_main.c | Tx queue index
igc | {if}-TxRx-{n} | rxtx | drivers/net/ethernet/intel/igc/igc_main.c | queue index
igc | {if}-rx-{n} | rx | drivers/net/ethernet/intel/igc/igc_main.c | Rx queue index
igc | {if}-tx-{n} | tx | drivers/net/ethernet/intel/igc/igc_main.c | Tx queue index
ixgbe | {if}-TxRx-{n} | rxtx | drivers/net/ethernet/intel/ixgbe/ixgbe_main.c | vector counter | round robin
ixgbe | {if}-rx-{n} | rx | drivers/net/ethernet/intel/ixgbe/ixgbe_main.c | rx vector counter | round robin
ixgbe | {if}-tx-{n} | tx | drivers/net/ethernet/intel/ixgbe/ixgbe_main.c | tx vector counter | round robin
ixgbevf | {if}-TxRx-{n} | rxtx | drivers/net/ethernet/intel/ixgbevf/ixgbevf_main.c | vector counter | blocks
ixgbevf | {if}-rx-{n} | rx | drivers/net/ethernet/intel/ixgbevf/ixgbevf_main.c | vector counter | blocks
ixgbevf | {if}-tx-{n} | tx | drivers/net/ethernet/intel/ixgbevf/ixgbevf_main.c | vector counter | blocks
i40e | i40e-{if}-TxRx-{n} | rxtx | drivers/net/ethernet/intel/i40e/i40e_main.c | vector index in the VSI from 0 | blocks
i40e | i40e-{if}-rx-{n} | rx | drivers/net/ethernet/intel/i40e/i40e_main.c | vector index in the VSI from 0 | blocks
i40e | i40e-{if}-tx-{n} | tx | drivers/net/ethernet/intel/i40e/i40e_main.c | vector index in the VSI from 0 | blocks
iavf | iavf-{if}-TxRx-{n} | rxtx | drivers/net/ethernet/intel/iavf/iavf_main.c | vector index from 0 | round robin
iavf | iavf-{if}-rx-{n} | rx | drivers/net/ethernet/intel/iavf/iavf_main.c | vector index from 0 | round robin
iavf | iavf-{if}-tx-{n} | tx | drivers/net/ethernet/intel/iavf/iavf_main.c | vector index from 0 | round robin
ice | ice-{if}-TxRx-{n} | rxtx | drivers/net/ethernet/intel/ice/ice_main.c | vector index from 0 | blocks
ice | ice-{if}-rx-{n} | rx | drivers/net/ethernet/intel/ice/ice_main.c | vector index from 0 | blocks
ice | ice-{if}-tx-{n} | tx | drivers/net/ethernet/intel/ice/ice_main.c | vector index from 0 | blocks
idpf | idpf-{if}-TxRx-{n} | rxtx | drivers/net/ethernet/intel/idpf/idpf_txrx.c | vector index or MSI-X entry | round robin
idpf | idpf-{if}-Rx-{n} | rx | drivers/net/ethernet/intel/idpf/idpf_txrx.c | vector index or MSI-X entry | round robin
idpf | idpf-{if}-Tx-{n} | tx | drivers/net/ethernet/intel/idpf/idpf_txrx.c | vector index or MSI-X entry | round robin
fm10k | {if}-TxRx-{n} | rxtx | drivers/net/ethernet/intel/fm10k/fm10k_pci.c | vector counter | round robin
fm10k | {if}-rx-{n} | rx | drivers/net/ethernet/intel/fm10k/fm10k_pci.c | vector counter | round robin
fm10k | {if}-tx-{n} | tx | drivers/net/ethernet/intel/fm10k/fm10k_pci.c | vector counter | round robin
bnxt_en | {if}-TxRx-{n} | rxtx | drivers/net/ethernet/broadcom/bnxt/bnxt.c | completion ring index | by rx
bnxt_en | {if}-rx-{n} | rx | drivers/net/ethernet/broadcom/bnxt/bnxt.c | completion ring index
bnxt_en | {if}-tx-{n} | tx | drivers/net/ethernet/broadcom/bnxt/bnxt.c | ring index, going on after Rx
bng_en | {if}-TxRx-{n} | rxtx | drivers/net/ethernet/broadcom/bnge/bnge_netdev.c | NQ ring index
bng_en | {if}-rx-{n} | rx | drivers/net/ethernet/broadcom/bnge/bnge_netdev.c | NQ ring index
bng_en | {if}-tx-{n} | tx | drivers/net/ethernet/broadcom/bnge/bnge_netdev.c | ring index, going on after Rx
tg3 | {if}-rx-{n} | rx | drivers/net/ethernet/broadcom/tg3.c | vector index
tg3 | {if}-tx-{n} | tx | drivers/net/ethernet/broadcom/tg3.c | vector index
tg3 | {if}-txrx-{n} | rxtx | drivers/net/ethernet/broadcom/tg3.c | vector index
bnx2 | {if}-{n} | rxtx | drivers/net/ethernet/broadcom/bnx2.c | vector index from 0
bnx2x | {if}-fp-{n} | rxtx | drivers/net/ethernet/broadcom/bnx2x/bnx2x_cmn.c | fastpath | by rx
bcmgenet | {if} | all | drivers/net/ethernet/broadcom/genet/bcmgenet.c |  |  | - rxtx -
brcm-systemport | {if} | all | drivers/net/ethernet/broadcom/bcmsysport.c |  |  | rx tx -
bcm63xx_enet | {if} | all | drivers/net/ethernet/broadcom/bcm63xx_enet.c |  |  | - rx tx
bcm63xx_enetsw | {if} | all | drivers/net/ethernet/broadcom/bcm63xx_enet.c |  |  | rx tx
bcm4908_enet | enet | rx | drivers/net/ethernet/broadcom/bcm4908_enet.c
bcm4908_enet | tx | tx | drivers/net/ethernet/broadcom/bcm4908_enet.c
ena | {if}-Tx-Rx-{n} | rxtx | drivers/net/ethernet/amazon/ena/ena_netdev.c | queue index
amd-xgbe | {if}-TxRx-{n} | rxtx | drivers/net/ethernet/amd/xgbe/xgbe-drv.c | queue index
alibaba_eea | eea-q{n}@{pci} | rxtx | drivers/net/ethernet/alibaba/eea/eea_pci.c | queue index
cxgb4 | {if}-Rx{n} | rxtx | drivers/net/ethernet/chelsio/cxgb4/cxgb4_main.c | queue index of the port
cxgb4vf | {if}-{n} | rxtx | drivers/net/ethernet/chelsio/cxgb4vf/cxgb4vf_main.c | queue set index of the port from 0
cxgb3 | {if}-{n} | rxtx | drivers/net/ethernet/chelsio/cxgb3/cxgb3_main.c | adapter-wide queue set index
enic | {if}-rx-{n} | rx | drivers/net/ethernet/cisco/enic/enic_main.c | Rx queue index
enic | {if}-tx-{n} | tx | drivers/net/ethernet/cisco/enic/enic_main.c | Tx queue index
be2net | {if}-q{n} | rxtx | drivers/net/ethernet/emulex/benet/be_main.c | event queue index from 0 | round robin
bna | {if} TXQ {n} | tx | drivers/net/ethernet/brocade/bna/bnad.c | Tx queue index
bna | {if} CQ {n} | rx | drivers/net/ethernet/brocade/bna/bnad.c | Rx queue index
nicvf | {if}-rxtx-{n} | rxtx | drivers/net/ethernet/cavium/thunder/nicvf_main.c | completion queue index
hns3 | hns3-{pci}-TxRx-{n} | rxtx | drivers/net/ethernet/hisilicon/hns3/hns3_enet.c | raised twice per vector | round robin
hns3 | hns3-{pci}-Rx-{n} | rx | drivers/net/ethernet/hisilicon/hns3/hns3_enet.c | own counters from 0 | round robin
hns3 | hns3-{pci}-Tx-{n} | tx | drivers/net/ethernet/hisilicon/hns3/hns3_enet.c | own counters from 0 | round robin
hns-nic | {if}-tx{n} | tx | drivers/net/ethernet/hisilicon/hns/hns_enet.c | queue index
hns-nic | {if}-rx{n} | rx | drivers/net/ethernet/hisilicon/hns/hns_enet.c | queue index
hibmcge | hibmcge-{pci}-tx | tx | drivers/net/ethernet/hisilicon/hibmcge/hbg_irq.c
hibmcge | hibmcge-{pci}-rx | rx | drivers/net/ethernet/hisilicon/hibmcge/hbg_irq.c
hinic | {if}_rxq{n} | rx | drivers/net/ethernet/huawei/hinic/hinic_rx.c | queue index
hinic | {if}_txq{n} | tx | drivers/net/ethernet/huawei/hinic/hinic_tx.c | queue index
hinic3 | {if}_qp{n} | rxtx | drivers/net/ethernet/huawei/hinic3/hinic3_irq.c | queue index
ibmvnic | ibmvnic-{dev}-tx{n} | tx | drivers/net/ethernet/ibm/ibmvnic.c | queue index
ibmvnic | ibmvnic-{dev}-rx{n} | rx | drivers/net/ethernet/ibm/ibmvnic.c | queue index
ehea | {if}-queue{n} | rxtx | drivers/net/ethernet/ibm/ehea/ehea_main.c | port resource index
mcmal | MAL TX EOB | tx | drivers/net/ethernet/ibm/emac/mal.c
mcmal | MAL RX EOB | rx | drivers/net/ethernet/ibm/emac/mal.c
mpc52xx-fec | mpc52xx-fec_rx | rx | drivers/net/ethernet/freescale/fec_mpc52xx.c
mpc52xx-fec | mpc52xx-fec_tx | tx | drivers/net/ethernet/freescale/fec_mpc52xx.c
fsl-gianfar | {if}_g{n}_tx | tx | drivers/net/ethernet/freescale/gianfar.c | interrupt group; queue n on group n | round robin
fsl-gianfar | {if}_g{n}_rx | rx | drivers/net/ethernet/freescale/gianfar.c | interrupt group; queue n on group n | round robin
fs_enet | fs_enet-mac | all | drivers/net/ethernet/freescale/fs_enet/fs_enet-main.c
ucc_geth | UCC Geth | all | drivers/net/ethernet/freescale/ucc_geth.c
xgene-enet | {if}-rx-{n} | rx | drivers/net/ethernet/apm/xgene/xgene_enet_main.c | queue index
xgene-enet | {if}-txc-{n} | tx | drivers/net/ethernet/apm/xgene/xgene_enet_main.c | Tx completion ring index
xgene-enet | {if}-rx-txc | all | drivers/net/ethernet/apm/xgene/xgene_enet_main.c
altera_tse | {if} | all | drivers/net/ethernet/altera/altera_tse_main.c |  |  | rx tx
tsnep | {if}-txrx-{n} | rxtx | drivers/net/ethernet/engleder/tsnep_main.c | queue index
tsnep | {if}-tx-{n} | tx | drivers/net/ethernet/engleder/tsnep_main.c | queue index
tsnep | {if}-rx-{n} | rx | drivers/net/ethernet/engleder/tsnep_main.c | queue index
tsnep | {if}-mac | rxtx | drivers/net/ethernet/engleder/tsnep_main.c
alx | {if}-TxRx-{n} | rxtx | drivers/net/ethernet/atheros/alx/main.c | Tx queue index
alx | {if}-tx-{n} | tx | drivers/net/ethernet/atheros/alx/main.c | Tx queue index, from 1
funeth | {if}-tx-{n} | tx | drivers/net/ethernet/fungible/funeth/funeth_main.c | queue index
funeth | {if}-rx-{n} | rx | drivers/net/ethernet/fungible/funeth/funeth_main.c | queue index
bmac | BMAC-txdma | tx | drivers/net/ethernet/apple/bmac.c
bmac | BMAC-rxdma | rx | drivers/net/ethernet/apple/bmac.c
mace | MACE-txdma | tx | drivers/net/ethernet/apple/mace.c
mace | MACE-rxdma | rx | drivers/net/ethernet/apple/mace.c
macmace | {if} | all | drivers/net/ethernet/apple/macmace.c |  |  | - rxtx
calxedaxgmac | {dev} | all | drivers/net/ethernet/calxeda/xgmac.c |  |  | rxtx -
declance | lance | all | drivers/net/ethernet/amd/declance.c
82596 | i82596 | all | drivers/net/ethernet/i825xx/82596.c
nps_mgt_enet | enet-rx-tx | all | drivers/net/ethernet/ezchip/nps_enet.c
apne | apne | all | drivers/net/ethernet/8390/apne.c
axnet_cs | axnet_cs | all | drivers/net/ethernet/8390/axnet_cs.c
hydra | Hydra Ethernet | all | drivers/net/ethernet/8390/hydra.c
mac8390 | 8390 Ethernet | all | drivers/net/ethernet/8390/mac8390.c
stnic | stnic | all | drivers/net/ethernet/8390/stnic.c
wd | wd | all | drivers/net/ethernet/8390/wd.c
zorro8390 | zorro8390 | all | drivers/net/ethernet/8390/zorro8390.c
grlib-greth | eth | all | drivers/net/ethernet/aeroflex/greth.c
slicoss | slicoss | all | drivers/net/ethernet/alacritech/slicoss.c
acenic | acenic | all | drivers/net/ethernet/alteon/acenic.c
atarilance | PAM,Riebl-ST Ethernet | all | drivers/net/ethernet/amd/atarilance.c
atarilance | Riebl-VME Ethernet | all | drivers/net/ethernet/amd/atarilance.c
sun3lance | SUN3 Lance | all | drivers/net/ethernet/amd/sun3lance.c
sunlance | LANCE | all | drivers/net/ethernet/amd/sunlance.c
ag71xx | {dev} | all | drivers/net/ethernet/atheros/ag71xx.c
mac89x0 | cs89x0 | all | drivers/net/ethernet/cirrus/mac89x0.c
ether1 | ether1 | all | drivers/net/ethernet/i825xx/ether1.c
lasi_82596, snirm_82596 | i82596 | all | drivers/net/ethernet/i825xx/lib82596.c
mlx5_core | mlx5_comp{n}@pci:{pci} | rxtx | drivers/net/ethernet/mellanox/mlx5/core/pci_irq.c | completion vector index from 0 | by rx
mlx5_core | mlx5_combined{n}@pci:{pci} | all | drivers/net/ethernet/mellanox/mlx5/core/pci_irq.c | always 0
mlx4_core | mlx4_core@pci:{pci} | all | drivers/net/ethernet/mellanox/mlx4/eq.c
mlxsw_spectrum | mlxsw_spectrum | all | drivers/net/ethernet/mellanox/mlxsw/pci.c
mlxsw_spectrum2 | mlxsw_spectrum2 | all | drivers/net/ethernet/mellanox/mlxsw/pci.c
mlxsw_spectrum3 | mlxsw_spectrum3 | all | drivers/net/ethernet/mellanox/mlxsw/pci.c
mlxsw_spectrum4 | mlxsw_spectrum4 | all | drivers/net/ethernet/mellanox/mlxsw/pci.c
mlxbf_gige | mlxbf_gige_rx | rx | drivers/net/ethernet/mellanox/mlxbf_gige/mlxbf_gige_intr.c
fbnic | {if}-TxRx-{n} | rxtx | drivers/net/ethernet/meta/fbnic/fbnic_irq.c | NAPI index from 0 | round robin
mana | mana_q{n}@pci:{pci} | rxtx | drivers/net/ethernet/microsoft/mana/gdma_main.c | queue index from 0 |  | each
virtio_net | virtio{m}-input.{n} | rx | drivers/net/virtio_net.c | queue index
virtio_net | virtio{m}-output.{n} | tx | drivers/net/virtio_net.c | queue index
virtio_net | virtio{m}-virtqueues | all | drivers/virtio/virtio_pci_common.c
virtio_net | virtio{m} | all | drivers/virtio/virtio_pci_common.c
vmxnet3 | {if}-rxtx-{n} | rxtx | drivers/net/vmxnet3/vmxnet3_drv.c | queue index from 0
vmxnet3 | {if}-tx-{n} | tx | drivers/net/vmxnet3/vmxnet3_drv.c | vector index from 0 | round robin
vmxnet3 | {if}-rx-{n} | rx | drivers/net/vmxnet3/vmxnet3_drv.c | vector index, going on after Tx
vif | {vifback}-q{n}-tx | rx | drivers/net/xen-netback/interface.c | queue index; the guest's Tx is the host's Rx
vif | {vifback}-q{n}-rx | tx | drivers/net/xen-netback/interface.c | queue index; the guest's Rx is the host's Tx
vif | {vifback}-q{n} | rxtx | drivers/net/xen-netback/interface.c | queue index
vif | {vif}-q{n}-tx | tx | drivers/net/xen-netfront.c | queue index from 0
vif | {vif}-q{n}-rx | rx | drivers/net/xen-netfront.c | queue index from 0
sfc, sfc_ef100 | {if}-{n} | rxtx | drivers/net/ethernet/sfc/efx_channels.c | channel number from 0
sfc, sfc_ef100 | {if}-rx-{n} | rx | drivers/net/ethernet/sfc/efx_channels.c | rx queue index
sfc, sfc_ef100 | {if}-tx-{n} | tx | drivers/net/ethernet/sfc/efx_channels.c | tx queue index
sfc_siena | {if}-{n} | rxtx | drivers/net/ethernet/sfc/siena/efx_channels.c | channel number from 0
sfc_siena | {if}-rx-{n} | rx | drivers/net/ethernet/sfc/siena/efx_channels.c | rx queue index
sfc_siena | {if}-tx-{n} | tx | drivers/net/ethernet/sfc/siena/efx_channels.c | tx queue index
sfc_falcon | {if}-{n} | rxtx | drivers/net/ethernet/sfc/falcon/efx.c | channel number from 0
sfc_falcon | {if}-rx-{n} | rx | drivers/net/ethernet/sfc/falcon/efx.c | rx queue index
sfc_falcon | {if}-tx-{n} | tx | drivers/net/ethernet/sfc/falcon/efx.c | tx queue index
qede | {if}-fp-{n} | rxtx | drivers/net/ethernet/qlogic/qede/qede_main.c | fastpath, in the order Rx, both, Tx |  | qede
ionic | ionic-{if}-L{m}-rx{n} | rxtx | drivers/net/ethernet/pensando/ionic/ionic_lif.c | queue index from 0
ionic | ionic-{if}-L{m}-tx{n} | tx | drivers/net/ethernet/pensando/ionic/ionic_lif.c | tx queue index
nfp | {if}-rxtx-{n} | rxtx | drivers/net/ethernet/netronome/nfp/nfp_net_common.c | ring vector index from 0
qlcnic | {if}-rx-{n} | rx | drivers/net/ethernet/qlogic/qlcnic/qlcnic_main.c | sds ring index
qlcnic | {if}-tx-0-rx-{n} | rxtx | drivers/net/ethernet/qlogic/qlcnic/qlcnic_main.c | ring index; this one serves the only Tx queue too
qlcnic | {if}-tx-{n} | tx | drivers/net/ethernet/qlogic/qlcnic/qlcnic_main.c | tx ring index
qlcnic | qlcnic | all | drivers/net/ethernet/qlogic/qlcnic/qlcnic_main.c
netxen_nic | {if}[{n}] | rx | drivers/net/ethernet/qlogic/netxen/netxen_nic_main.c | sds ring index
myri10ge | {if}:slice-{n} | rxtx | drivers/net/ethernet/myricom/myri10ge/myri10ge.c | slice index from 0
S2IO | {if}:MSI-X-{n}-RX | rx | drivers/net/ethernet/neterion/s2io.c | vector index
rtase | {if}_int{n} | rxtx | drivers/net/ethernet/realtek/rtase/rtase_main.c | vector index from 1
txgbe | {if}-TxRx-{n} | rxtx | drivers/net/ethernet/wangxun/txgbe/txgbe_irq.c | vector index from 0 | round robin
ngbe | {if}-TxRx-{n} | rxtx | drivers/net/ethernet/wangxun/ngbe/ngbe_main.c | vector index from 0 | round robin
txgbevf, ngbevf | {if}-TxRx-{n} | rxtx | drivers/net/ethernet/wangxun/libwx/wx_vf_common.c | vector index from 0 | round robin
rvu_nicpf, rvu_nicvf | {if}-rxtx-{n} | rxtx | drivers/net/ethernet/marvell/octeontx2/nic/otx2_pf.c | vector index from 0
rvu_rep | rep{m}-rxtx-{n} | rxtx | drivers/net/ethernet/marvell/octeontx2/nic/rep.c | queue of a representor
octeon_ep | {if}-q{n} | rxtx | drivers/net/ethernet/marvell/octeon_ep/octep_main.c | queue index from 0
octeon_ep_vf | {if}-q{n} | rxtx | drivers/net/ethernet/marvell/octeon_ep_vf/octep_vf_main.c | queue index from 0
Prestera DX | Prestera DX | all | drivers/net/ethernet/marvell/prestera/prestera_pci.c
mtk_soc_eth | {dev} | all | drivers/net/ethernet/mediatek/mtk_eth_soc.c |  |  | tx rx
lan743x | lan743x | all | drivers/net/ethernet/microchip/lan743x_main.c |  |  | lan743x
lan966x-switch | frame extraction | rx | drivers/net/ethernet/microchip/lan966x/lan966x_main.c
lan966x-switch | fdma irq | all | drivers/net/ethernet/microchip/lan966x/lan966x_main.c
sparx5-switch | sparx5-fdma | all | drivers/net/ethernet/microchip/sparx5/sparx5_main.c
sparx5-switch | sparx5-xtr | rx | drivers/net/ethernet/microchip/sparx5/sparx5_main.c
enc28j60 | enc28j60 | all | drivers/net/ethernet/microchip/enc28j60.c
encx24j600 | encx24j600 | all | drivers/net/ethernet/microchip/encx24j600.c
lan8650 | {dev} | all | drivers/net/ethernet/oa_tc6.c
ocelot-switch | frame extraction | rx | drivers/net/ethernet/mscc/ocelot_vsc7514.c
ocelot-switch | {dev} | all | drivers/net/ethernet/mscc/ocelot_fdma.c
ravb | {if}:ch0:rx_be | rx | drivers/net/ethernet/renesas/ravb_main.c
ravb | {if}:ch1:rx_nc | rx | drivers/net/ethernet/renesas/ravb_main.c
ravb | {if}:ch18:tx_be | tx | drivers/net/ethernet/renesas/ravb_main.c
ravb | {if}:ch19:tx_nc | tx | drivers/net/ethernet/renesas/ravb_main.c
ravb | {dev}:ch0:rx_be | rx | drivers/net/ethernet/renesas/ravb_main.c
ravb | {dev}:ch1:rx_nc | rx | drivers/net/ethernet/renesas/ravb_main.c
ravb | {dev}:ch18:tx_be | tx | drivers/net/ethernet/renesas/ravb_main.c
ravb | {dev}:ch19:tx_nc | tx | drivers/net/ethernet/renesas/ravb_main.c
ravb | {dev} | all | drivers/net/ethernet/renesas/ravb_main.c
rtsn | {if}:tx | tx | drivers/net/ethernet/renesas/rtsn.c
rtsn | {if}:rx | rx | drivers/net/ethernet/renesas/rtsn.c
stmmaceth, intel-eth-pci, dwmac-loongson-pci, dwmac-motorcomm, s32-dwmac | {if}:rx-{n} | rx | drivers/net/ethernet/stmicro/stmmac/stmmac_main.c | rx queue index exactly
stmmaceth, intel-eth-pci, dwmac-loongson-pci, dwmac-motorcomm, s32-dwmac | {if}:tx-{n} | tx | drivers/net/ethernet/stmicro/stmmac/stmmac_main.c | tx queue index exactly
sam_sxgbeeth | {if} | all | drivers/net/ethernet/samsung/sxgbe/sxgbe_main.c |  |  | sxgbe
netsec | netsec | all | drivers/net/ethernet/socionext/netsec.c
dwc-xlgmac | {if}-TxRx-{n} | rxtx | drivers/net/ethernet/synopsys/dwc-xlgmac-net.c | channel/queue index from 0
am65-cpsw-nuss | {dev}-tx{n} | tx | drivers/net/ethernet/ti/am65-cpsw-nuss.c | tx DMA channel
am65-cpsw-nuss | {dev}-rx{n} | rx | drivers/net/ethernet/ti/am65-cpsw-nuss.c | rx flow index
cpsw | {dev} | all | drivers/net/ethernet/ti/cpsw.c |  |  | rx tx -
cpsw-switch | {dev} | all | drivers/net/ethernet/ti/cpsw_new.c |  |  | rx tx -
icssg-prueth | {dev}-tx{n} | tx | drivers/net/ethernet/ti/icssg/icssg_common.c | tx channel
icssg-prueth | {dev} | rx | drivers/net/ethernet/ti/icssg/icssg_prueth.c
niu | {if}-rx-{n} | rx | drivers/net/ethernet/sun/niu.c | rx ring
niu | {if}-tx-{n} | tx | drivers/net/ethernet/sun/niu.c | tx ring
qec | qec | all | drivers/net/ethernet/sun/sunqe.c
forcedeth | {if}-rx | rx | drivers/net/ethernet/nvidia/forcedeth.c
forcedeth | {if}-tx | tx | drivers/net/ethernet/nvidia/forcedeth.c
pasemi_mac | {if} tx | tx | drivers/net/ethernet/pasemi/pasemi_mac.c
pasemi_mac | {if} rx | rx | drivers/net/ethernet/pasemi/pasemi_mac.c
nixge | {if} | all | drivers/net/ethernet/ni/nixge.c |  |  | tx rx
xilinx_temac | {if} | all | drivers/net/ethernet/xilinx/ll_temac_main.c |  |  | tx rx
xilinx_axienet | {if} | all | drivers/net/ethernet/xilinx/xilinx_axienet_main.c |  |  | tx rx -
korina | Korina ethernet Tx | tx | drivers/net/ethernet/korina.c
ltq_etop | etop_tx | tx | drivers/net/ethernet/lantiq_etop.c
lantiq,xrx200-net | xrx200_net_tx | tx | drivers/net/ethernet/lantiq_xrx200.c
korina | Korina ethernet Rx | rx | drivers/net/ethernet/korina.c
ltq_etop | etop_rx | rx | drivers/net/ethernet/lantiq_etop.c
lantiq,xrx200-net | xrx200_net_rx | rx | drivers/net/ethernet/lantiq_xrx200.c
qcom-emac | emac-core0 | all | drivers/net/ethernet/qualcomm/emac/emac.c
ks8842 | ks8842 | all | drivers/net/ethernet/micrel/ks8842.c
moxart-ethernet | {dev} | all | drivers/net/ethernet/moxa/moxart_ether.c
jazzsonic | sonic | all | drivers/net/ethernet/natsemi/jazzsonic.c
macsonic | sonic | all | drivers/net/ethernet/natsemi/macsonic.c
xtsonic | sonic | all | drivers/net/ethernet/natsemi/xtsonic.c
ns83820 | ns83820 | all | drivers/net/ethernet/natsemi/ns83820.c
ether3 | ether3 | all | drivers/net/ethernet/seeq/ether3.c
sgiseeq | SGI Seeq8003 | all | drivers/net/ethernet/seeq/sgiseeq.c
ioc3-eth | ioc3-eth | all | drivers/net/ethernet/sgi/ioc3-eth.c
meth | SGI O2 Fast Ethernet | all | drivers/net/ethernet/sgi/meth.c
smc9194 | smc9194 | all | drivers/net/ethernet/smsc/smc9194.c
smsc9420 | smsc9420 | all | drivers/net/ethernet/smsc/smsc9420.c
sp7021_emac | {dev} | all | drivers/net/ethernet/sunplus/spl2sw_driver.c
sb1000 | sb1000 | all | drivers/net/sb1000.c
gve | gve-ntfy-blk{n}@{text} | rx | drivers/net/ethernet/google/gve/gve_main.c | block: the first half Tx, the second Rx |  | gve
gve | {if}-ntfy-block.{n} | rx | drivers/net/ethernet/google/gve/gve_main.c | block: the first half Tx, the second Rx |  | gve
fsl_enetc | {if}-rxtx{n} | rxtx | drivers/net/ethernet/freescale/enetc/enetc.c | vector index from 0 | round robin
LiquidIO | LiquidIO{m}-pf{m}-rxtx-{n} | rxtx | drivers/net/ethernet/cavium/liquidio/lio_core.c | queue index
LiquidIO_VF | LiquidIO{m}-vf{m}-rxtx-{n} | rxtx | drivers/net/ethernet/cavium/liquidio/lio_core.c | queue index
mlx4_core | mlx4-{n}@{pci} | rxtx | drivers/net/ethernet/mellanox/mlx4/eq.c | event queue from 1, the ports one after the other | by rx | halves
mlx4_core | mlx4-{n}@pci:{pci} | rxtx | drivers/net/ethernet/mellanox/mlx4/eq.c | event queue from 1, the ports one after the other | by rx | halves
mana | mana_msi{n}@pci:{pci} | rxtx | drivers/net/ethernet/microsoft/mana/gdma_main.c | MSI-X index from 1 |  | each
fec | {dev} | all | drivers/net/ethernet/freescale/fec_main.c |  |  | shared
davinci_emac | {if} | all | drivers/net/ethernet/ti/davinci_emac.c |  |  | shared
airoha_eth | airoha_eth.{n} | all | drivers/net/ethernet/airoha/airoha_eth.c | platform IRQ |  | shared
brcm,asp-v2 | {dev} | all | drivers/net/ethernet/broadcom/asp2/bcmasp.c |  |  | rxtx -
hip04-ether | {dev} | all | drivers/net/ethernet/hisilicon/hip04_eth.c
hisi-femac | {dev} | all | drivers/net/ethernet/hisilicon/hisi_femac.c
hisi-gmac | {dev} | all | drivers/net/ethernet/hisilicon/hix5hd2_gmac.c
skge | skge@pci:{pci} | all | drivers/net/ethernet/marvell/skge.c |  |  | shared
sky2 | sky2@pci:{pci} | all | drivers/net/ethernet/marvell/sky2.c |  |  | shared
adin1110 | {dev} | all | drivers/net/ethernet/adi/adin1110.c
S2IO | {if}:MSI-X-{n}-TX | tx | drivers/net/ethernet/neterion/s2io.c | always 0: every Tx queue | round robin
vif | {if}-q{n}-rx | rx | drivers/net/xen-netfront.c | queue index (names before 2018 held the interface)
vif | {if}-q{n}-tx | tx | drivers/net/xen-netfront.c | queue index (names before 2018 held the interface)
e1000e | {if}-rx-{n} | rx | drivers/net/ethernet/intel/e1000e/netdev.c | always 0
e1000e | {if}-tx-{n} | tx | drivers/net/ethernet/intel/e1000e/netdev.c | always 0
igbvf | {if}-rx-{n} | rx | drivers/net/ethernet/intel/igbvf/netdev.c | always 0
igbvf | {if}-tx-{n} | tx | drivers/net/ethernet/intel/igbvf/netdev.c | always 0

# Queues that arrive through interrupts of no device.
fsl_dpaa2_eth | {dev} | elsewhere | drivers/net/ethernet/freescale/dpaa2/dpaa2-eth.c | queues arrive through the portals `dpio.N`
fsl_dpa | QMan portal {n} | elsewhere | drivers/soc/fsl/qbman/qman.c | a CPU: queues arrive through its portal
hv_netvsc |  | elsewhere | drivers/net/hyperv/netvsc.c | queues arrive through the VMBus, which has one vector a CPU

# Interrupts that all bear the interface's name alone: a single one serves every queue, several serve the queues of their rank.
# Beside interrupts with a queue's name it is the link's.
3c509 | {if} | all | drivers/net/ethernet/3com/3c509.c
3c59x | {if} | all | drivers/net/ethernet/3com/3c59x.c
dnet | dnet | all | drivers/net/ethernet/dnet.c
8139cp | {if} | all | drivers/net/ethernet/realtek/8139cp.c
8139too | {if} | all | drivers/net/ethernet/realtek/8139too.c
ATL1E | {if} | all | drivers/net/ethernet/atheros/atl1e/atl1e_main.c
ksz884xp | {if} | all | drivers/net/ethernet/micrel/ksz884x.c
a2065 | {if} | all | drivers/net/ethernet/amd/a2065.c
alx | {if} | all | drivers/net/ethernet/atheros/alx/main.c
amd-xgbe | {if} | all | drivers/net/ethernet/amd/xgbe/xgbe-drv.c
amd8111e | {if} | all | drivers/net/ethernet/amd/amd8111e.c
ariadne | {if} | all | drivers/net/ethernet/amd/ariadne.c
atl1 | {if} | all | drivers/net/ethernet/atheros/atlx/atl1.c
atl1c | {if} | all | drivers/net/ethernet/atheros/atl1c/atl1c_main.c
atl2 | {if} | all | drivers/net/ethernet/atheros/atlx/atl2.c
atlantic | {if} | all | drivers/net/ethernet/aquantia/atlantic/aq_ptp.c
atp | {if} | all | drivers/net/ethernet/realtek/atp.c
au1000-eth | {if} | all | drivers/net/ethernet/amd/au1000_eth.c
ave | {if} | all | drivers/net/ethernet/socionext/sni_ave.c
ax88796 | {if} | all | drivers/net/ethernet/8390/ax88796.c
ax88796c | {if} | all | drivers/net/ethernet/asix/ax88796c_main.c
b44 | {if} | all | drivers/net/ethernet/broadcom/b44.c
bcmgenet | {if} | all | drivers/net/ethernet/broadcom/genet/bcmgenet.c
be2net | {if} | all | drivers/net/ethernet/emulex/benet/be_main.c
bgmac-enet | {if} | all | drivers/net/ethernet/broadcom/bgmac.c
bgmac_bcma | {if} | all | drivers/net/ethernet/broadcom/bgmac.c
bnx2 | {if} | all | drivers/net/ethernet/broadcom/bnx2.c
bnx2x | {if} | all | drivers/net/ethernet/broadcom/bnx2x/bnx2x_cmn.c
cassini | {if} | all | drivers/net/ethernet/sun/cassini.c
cpmac | {if} | all | drivers/net/ethernet/ti/cpmac.c
cs89x0 | {if} | all | drivers/net/ethernet/cirrus/cs89x0.c
cxgb | {if} | all | drivers/net/ethernet/chelsio/cxgb/cxgb2.c
cxgb3 | {if} | all | drivers/net/ethernet/chelsio/cxgb3/cxgb3_main.c
cxgb4 | {if} | all | drivers/net/ethernet/chelsio/cxgb4/cxgb4_main.c
davinci_emac | {if} | all | drivers/net/ethernet/ti/davinci_emac.c
de2104x | {if} | all | drivers/net/ethernet/dec/tulip/de2104x.c
defxx | {if} | all | drivers/net/fddi/defxx.c
dl2k | {if} | all | drivers/net/ethernet/dlink/dl2k.c
dm9000 | {if} | all | drivers/net/ethernet/davicom/dm9000.c
dm9051 | {if} | all | drivers/net/ethernet/davicom/dm9051.c
dmfe | {if} | all | drivers/net/ethernet/dec/tulip/dmfe.c
dwc-xlgmac | {if} | all | drivers/net/ethernet/synopsys/dwc-xlgmac-net.c
dwmac-loongson-pci | {if} | all | drivers/net/ethernet/stmicro/stmmac/stmmac_main.c
dwmac-motorcomm | {if} | all | drivers/net/ethernet/stmicro/stmmac/stmmac_main.c
e100 | {if} | all | drivers/net/ethernet/intel/e100.c
e1000 | {if} | all | drivers/net/ethernet/intel/e1000/e1000_main.c
e1000e | {if} | all | drivers/net/ethernet/intel/e1000e/netdev.c
emac_arc | {if} | all | drivers/net/ethernet/arc/emac_main.c
rockchip_emac | {if} | all | drivers/net/ethernet/arc/emac_main.c
enic | {if} | all | drivers/net/ethernet/cisco/enic/enic_main.c
ep93xx-eth | {if} | all | drivers/net/ethernet/cirrus/ep93xx_eth.c
epic100 | {if} | all | drivers/net/ethernet/smsc/epic100.c
et131x | {if} | all | drivers/net/ethernet/agere/et131x.c
etherh | {if} | all | drivers/net/ethernet/8390/etherh.c
ethoc | {if} | all | drivers/net/ethernet/ethoc.c
fealnx | {if} | all | drivers/net/ethernet/fealnx.c
fbnic | {if} | all | drivers/net/ethernet/meta/fbnic/fbnic_irq.c
fjes | {if} | all | drivers/net/fjes/fjes_main.c
fm10k | {if} | all | drivers/net/ethernet/intel/fm10k/fm10k_pci.c
forcedeth | {if} | all | drivers/net/ethernet/nvidia/forcedeth.c
fsl-gianfar | {if} | all | drivers/net/ethernet/freescale/gianfar.c
ftgmac100 | {if} | all | drivers/net/ethernet/faraday/ftgmac100.c
ftmac100 | {if} | all | drivers/net/ethernet/faraday/ftmac100.c
gem | {if} | all | drivers/net/ethernet/sun/sungem.c
gmac-gemini | {if} | all | drivers/net/ethernet/cortina/gemini.c
hamachi | {if} | all | drivers/net/ethernet/packetengines/hamachi.c
hme | {if} | all | drivers/net/ethernet/sun/sunhme.c
ibmveth | {if} | all | drivers/net/ethernet/ibm/ibmveth.c
igb | {if} | all | drivers/net/ethernet/intel/igb/igb_main.c
igbvf | {if} | all | drivers/net/ethernet/intel/igbvf/netdev.c
igc | {if} | all | drivers/net/ethernet/intel/igc/igc_main.c
intel-eth-pci | {if} | all | drivers/net/ethernet/stmicro/stmmac/stmmac_main.c
ixgb | {if} | all | drivers/net/ethernet/intel/ixgb/ixgb_main.c
ixgbe | {if} | all | drivers/net/ethernet/intel/ixgbe/ixgbe_main.c
ixgbevf | {if} | all | drivers/net/ethernet/intel/ixgbevf/ixgbevf_main.c
jme | {if} | all | drivers/net/ethernet/jme.c
k1_emac | {if} | all | drivers/net/ethernet/spacemit/k1_emac.c
ks8851 | {if} | all | drivers/net/ethernet/micrel/ks8851_common.c
lance | {if} | all | drivers/net/ethernet/amd/lance.c
liteeth | {if} | all | drivers/net/ethernet/litex/litex_liteeth.c
lpc-eth | {if} | all | drivers/net/ethernet/nxp/lpc_eth.c
macb | {if} | all | drivers/net/ethernet/cadence/macb_main.c
mcf8390 | {if} | all | drivers/net/ethernet/8390/mcf8390.c
mse102x | {if} | all | drivers/net/ethernet/vertexcom/mse102x.c
mtk_star_emac | {if} | all | drivers/net/ethernet/mediatek/mtk_star_emac.c
mv643xx_eth_port | {if} | all | drivers/net/ethernet/marvell/mv643xx_eth.c
mvneta | {if} | all | drivers/net/ethernet/marvell/mvneta.c
mvpp2 | {if} | all | drivers/net/ethernet/marvell/mvpp2/mvpp2_main.c
myri10ge | {if} | all | drivers/net/ethernet/myricom/myri10ge/myri10ge.c
natsemi | {if} | all | drivers/net/ethernet/natsemi/natsemi.c
ne2k-pci | {if} | all | drivers/net/ethernet/8390/ne2k-pci.c
ngbe | {if} | all | drivers/net/ethernet/wangxun/ngbe/ngbe_main.c
ngbevf | {if} | all | drivers/net/ethernet/wangxun/libwx/wx_vf_common.c
octeon_mgmt | {if} | all | drivers/net/ethernet/cavium/octeon/octeon_mgmt.c
owl-emac | {if} | all | drivers/net/ethernet/actions/owl-emac.c
pch_gbe | {if} | all | drivers/net/ethernet/oki-semi/pch_gbe/pch_gbe_main.c
pcnet32 | {if} | all | drivers/net/ethernet/amd/pcnet32.c
pcnet_cs | {if} | all | drivers/net/ethernet/8390/pcnet_cs.c
prueth | {if} | all | drivers/net/ethernet/ti/icssm/icssm_prueth.c
ps3_gelic_driver | {if} | all | drivers/net/ethernet/toshiba/ps3_gelic_net.c
pxa168-eth | {if} | all | drivers/net/ethernet/marvell/pxa168_eth.c
qcaspi | {if} | all | drivers/net/ethernet/qualcomm/qca_spi.c
qla3xxx | {if} | all | drivers/net/ethernet/qlogic/qla3xxx.c
r6040 | {if} | all | drivers/net/ethernet/rdc/r6040.c
r8169 | {if} | all | drivers/net/ethernet/realtek/r8169_main.c
ravb | {if} | all | drivers/net/ethernet/renesas/ravb_main.c
rrunner | {if} | all | drivers/net/hippi/rrunner.c
rtase | {if} | all | drivers/net/ethernet/realtek/rtase/rtase_main.c
S2IO | {if} | all | drivers/net/ethernet/neterion/s2io.c
s32-dwmac | {if} | all | drivers/net/ethernet/stmicro/stmmac/stmmac_main.c
sb1250-mac | {if} | all | drivers/net/ethernet/broadcom/sb1250-mac.c
sc92031 | {if} | all | drivers/net/ethernet/silan/sc92031.c
sfc | {if} | all | drivers/net/ethernet/sfc/nic.c
sfc_falcon | {if} | all | drivers/net/ethernet/sfc/falcon/nic.c
sfc_siena | {if} | all | drivers/net/ethernet/sfc/siena/nic.c
sfc_ef100 | {if} | all | drivers/net/ethernet/sfc/nic.c
sh-eth | {if} | all | drivers/net/ethernet/renesas/sh_eth.c
sis190 | {if} | all | drivers/net/ethernet/sis/sis190.c
sis900 | {if} | all | drivers/net/ethernet/sis/sis900.c
skfddi | {if} | all | drivers/net/fddi/skfp/skfddi.c
smc-ultra | {if} | all | drivers/net/ethernet/8390/smc-ultra.c
smc911x | {if} | all | drivers/net/ethernet/smsc/smc911x.c
smc91x | {if} | all | drivers/net/ethernet/smsc/smc91x.c
smsc911x | {if} | all | drivers/net/ethernet/smsc/smsc911x.c
spidernet | {if} | all | drivers/net/ethernet/toshiba/spider_net.c
starfire | {if} | all | drivers/net/ethernet/adaptec/starfire.c
stmmaceth | {if} | all | drivers/net/ethernet/stmicro/stmmac/stmmac_main.c
sun3_82586 | {if} | all | drivers/net/ethernet/i825xx/sun3_82586.c
sun4i-emac | {if} | all | drivers/net/ethernet/allwinner/sun4i-emac.c
sunbmac | {if} | all | drivers/net/ethernet/sun/sunbmac.c
sundance | {if} | all | drivers/net/ethernet/dlink/sundance.c
tc35815 | {if} | all | drivers/net/ethernet/toshiba/tc35815.c
tehuti | {if} | all | drivers/net/ethernet/tehuti/tehuti.c
tg3 | {if} | all | drivers/net/ethernet/broadcom/tg3.c
tlan | {if} | all | drivers/net/ethernet/ti/tlan.c
tn40xx | {if} | all | drivers/net/ethernet/tehuti/tn40.c
tsi-ethernet | {if} | all | drivers/net/ethernet/tundra/tsi108_eth.c
tulip | {if} | all | drivers/net/ethernet/dec/tulip/tulip_core.c
txgbe | {if} | all | drivers/net/ethernet/wangxun/txgbe/txgbe_irq.c
txgbevf | {if} | all | drivers/net/ethernet/wangxun/libwx/wx_vf_common.c
typhoon | {if} | all | drivers/net/ethernet/3com/typhoon.c
uli526x | {if} | all | drivers/net/ethernet/dec/tulip/uli526x.c
via-rhine | {if} | all | drivers/net/ethernet/via/via-rhine.c
via-velocity | {if} | all | drivers/net/ethernet/via/via-velocity.c
vif | {if} | all | drivers/net/xen-netfront.c
vmxnet3 | {if} | all | drivers/net/vmxnet3/vmxnet3_drv.c
w5100 | {if} | all | drivers/net/ethernet/wiznet/w5100.c
w5300 | {if} | all | drivers/net/ethernet/wiznet/w5300.c
winbond-840 | {if} | all | drivers/net/ethernet/dec/tulip/winbond-840.c
xgene-enet-v2 | {if} | all | drivers/net/ethernet/apm/xgene-v2/main.c
xilinx_axienet | {if} | all | drivers/net/ethernet/xilinx/xilinx_axienet_main.c
xilinx_emaclite | {if} | all | drivers/net/ethernet/xilinx/xilinx_emaclite.c
xircom_cb | {if} | all | drivers/net/ethernet/dec/tulip/xircom_cb.c
yellowfin | {if} | all | drivers/net/ethernet/packetengines/yellowfin.c

# Disks.
nvme | {disk}q{n} | io | drivers/nvme/host/pci.c | queue; 0 is the admin queue
mpt3sas | {disk}-msix{n} | io | drivers/scsi/mpt3sas/mpt3sas_base.c | vector
megaraid_sas | {disk}-msix{n} | io | drivers/scsi/megaraid/megaraid_sas_base.c | vector
virtio_blk | {disk}-req.{n} | io | drivers/block/virtio_blk.c | queue
"""
"""One form a line; the first that fits a name decides."""
