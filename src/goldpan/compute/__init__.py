"""Who does the work: one Executor protocol, local threads or processes now, a cluster behind the same door."""
