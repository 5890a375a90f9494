"""The refusals that both ways of the port share, so that a user reads the same sentence by either. Pure."""

from moorage_cli.people.model import Change, Exit, TroubleError


def mismatch(wanted: Change, active: str | None) -> TroubleError:
    """Another release is active than the one that was expected."""
    message = f"{wanted.app} has {active or 'no release'} in {wanted.environment}, not {wanted.expected}"
    return TroubleError(Exit.CONFLICT, message, reason="ReleaseMismatch")


def not_mine(by: str) -> TroubleError:
    """Somebody else has set the lock that shall say something else."""
    message = f"this lock was set by {by}: to change it, repeat with --take-over"
    return TroubleError(Exit.REFUSED, message, reason="EnvironmentLocked")


def not_known() -> TroubleError:
    """Nobody knows who asks."""
    message = "you are not logged in: the token or certificate is missing, not valid, or has ended; get a new one"
    return TroubleError(Exit.NO_RIGHT, message)


def too_busy(said: str) -> TroubleError:
    """What was asked was turned away, again and again."""
    return TroubleError(Exit.TROUBLE, f"the cluster is too busy to do this now, repeat it in a minute: {said}")


def no_override() -> TroubleError:
    """Gates were named that the user may not override."""
    return TroubleError(Exit.NO_RIGHT, "you may not override environments there")


def no_deployment(app: str) -> TroubleError:
    """The app was never there, or its binding is gone."""
    return TroubleError(Exit.NOT_FOUND, f"there is no deployment {app}")


def no_rule(slug: str) -> TroubleError:
    """Nobody said where releases come from."""
    return TroubleError(Exit.USAGE, f"{slug} has no promotion rule: say --from ENVIRONMENT")
