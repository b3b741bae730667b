"""What a record is made of: the parts that streams play in it."""

SPIKES, COUNTS, STIMULI, POSTERIOR = "spikes", "counts", "stimuli", "posterior"
DECISIONS, TRIGGERS, HEALTH = "decisions", "triggers", "health"
