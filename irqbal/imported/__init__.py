"""Taking over from other balancers: their configuration, as irqbal's."""
