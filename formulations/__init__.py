"""Mathematical programmes over plain arrays and integers, one module per formulation."""
