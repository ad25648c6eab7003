"""The daemon, part by part: `life` starts, ticks and stops; the others each do one thing for it."""
