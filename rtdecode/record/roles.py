"""What a record is made of: the parts that streams play in it."""

SPIKES, STIMULI, POSTERIOR = "spikes", "stimuli", "posterior"
DECISIONS, TRIGGERS, HEALTH = "decisions", "triggers", "health"
