"""The stretches of time in which alerts hold: what fires, what others push, what flaps."""
