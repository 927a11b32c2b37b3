"""What exists: events, rules, groups, alerts and outcomes, as plain values. No I/O, no clock."""
