"""The engine: plan, three overlapping stages, one durable store. Knows protocols only, no model, suite or judge."""
