"""From an answer of the policy to the world: what a trigger sets off, and who may let it."""
