"""The risk firewall: limits and modes of strategies, accounts and the whole bot, and panic.

`Firewall` (firewall.py) is asked before anything that opens is signed; `RiskDesk` (desk.py) and
`PanicDesk` (panic_desk.py) are the counters; the rules themselves are pure (rules.py, days.py,
figures.py, liquidity.py).
"""
