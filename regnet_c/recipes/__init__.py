"""From parameters to a training run: what "auto" means, layers, optimiser, members.

Shared by the estimators and the command line; knows nothing of scikit-learn.
`presets` resolves the parameters, `recipe` makes the parts of a run of them, `members`
averages networks, `monitor` decides when to stop.
"""
