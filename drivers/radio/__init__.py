"""The radio driver: analogue channels, from the control lines to the reply frames."""
