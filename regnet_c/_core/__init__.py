"""What trains and predicts: the binding to C, checks, plans, threads, training runs."""
