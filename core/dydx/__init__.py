"""Client of the dYdX v4 chain and indexer; knows neither trading nor ledger."""
