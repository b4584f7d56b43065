"""How long everything takes: runs, what happens in them, rounds until it is known."""
