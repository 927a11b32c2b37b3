"""What would a fleet send: simulated devices, scripted incidents, and the alerts that must come of them."""
