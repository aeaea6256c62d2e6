"""Review queues: what people are asked about, in which order, and what becomes of their verdicts."""
