"""The base of the callbacks: what runs at the end of every epoch of `Network.fit`."""


class Callback:
    """Base of the callbacks; every method may be left out."""

    def on_train_begin(self, network):
        """Called once before the first epoch.

        Parameters
        ----------
        network : Network
        """

    def on_epoch_end(self, epoch, logs):
        """Called after every epoch; return True to stop training.

        Parameters
        ----------
        epoch : int
            Counted from 0 since the optimiser's first step.
        logs : dict
            The epoch's entries of `History.history`.
        """

    def on_checkpoint(self, training):
        """Called where the state of training may be saved.

        That is after every epoch, when all callbacks have seen it, and when Ctrl-C (or
        SystemExit) ends training.

        Parameters
        ----------
        training : object
            ``save(path)`` writes the state; ``epochs`` is the number of epochs done;
            ``ends`` is True after the last epoch and on Ctrl-C.
        """

    def on_train_end(self):
        """Called once after the last epoch, also when training fails."""

    def get_state(self):
        """What a checkpoint has to keep of this callback after an epoch.

        Returns
        -------
        dict or None
            JSON values and arrays of float32 or float64, by names of letters, digits
            and underscores; a list of arrays comes back as one, end to end.  Numbers
            that may be infinite or NaN must be arrays.  None: nothing.
        """

    def set_state(self, state):
        """Take back what `get_state` returned, when training resumes.

        Called after `on_train_begin`; right afterwards the network gets the weights of
        the checkpoint.  The file may come from a stranger: ValueError for a state that
        `get_state` does not return.

        Parameters
        ----------
        state : dict
        """
