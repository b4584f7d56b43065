"""What runs when a model is called: functions and operators, and the work of each."""
