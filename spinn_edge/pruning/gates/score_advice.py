"""Why a score missed a gate, and what to type next."""

from __future__ import annotations

from dataclasses import dataclass

from spinn_edge.core.manifest import Scores

_NEAR = 0.005
"""A loss of R² below this is no loss that tuning could win back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreAdvice:
    """The words for one way of making a network smaller or emptier.

    Attributes:
        step: what was done: ``pruning``, ``masking``.
        made: what the network is afterwards: ``pruned``, ``masked``.
        retry: what wins back a score that was lost, with the options to type.
        lower_rate: the option that lowers the learning rate.
    """

    step: str
    made: str
    retry: str
    lower_rate: str

    def low_score(
        self,
        name: str,
        was: float | None,
        now: float | None,
        floor: float,
        linear: float | None,
        after: Scores | None,
    ) -> str:
        """Say whether the step or the network before it is to blame for a low score.

        Args:
            name: of the score.
            was: before the step; None where it is not known.
            now: after it.
            floor: it had to be above this.
            linear: what a linear regression reaches on the same rows; None where none was made.
            after: all scores after it.
        """
        if now is None:
            return self._unknown_score(name, after)
        words = f"{name} is {now:.4f}, not above {floor:g}"
        if was is not None and was <= floor:
            words += (
                f", and it was {was:.4f} before {self.step}: train the network that is {self.made} "
                "better first (more --epochs, wider layers, more rows)"
            )
        elif was is not None and was - now > _NEAR:
            words += f"; it fell by {was - now:.2g} (from {was:.4f}): {self.retry}"
        elif was is not None:
            words += (
                f"; it was hardly better before {self.step} ({was:.4f}): train that network longer"
            )
        else:
            words += (
                f"; the network before {self.step} was not scored, so the cause is open: "
                f"{self.retry}"
            )
        if linear is not None and linear > now:
            words += (
                f". A linear regression reaches {linear:.4f} on the same rows, so the network has "
                "not learnt what is there"
            )
        return words

    def lost_score(self, name: str, was: float | None, now: float | None, allowed: float) -> str:
        """Say how much a score fell; arguments as :meth:`low_score`, ``allowed`` may go."""
        if was is None or now is None:
            which = f"before {self.step}" if was is None else f"after {self.step}"
            return (
                f"{name} is not known {which}, so its loss cannot be judged: score both networks "
                "on the same rows, on which every target varies (--test)"
            )
        return (
            f"{name} fell by {was - now:.2g} (from {was:.4f} to {now:.4f}), {allowed:g} may go: "
            f"{self.retry}"
        )

    def _unknown_score(self, name: str, after: Scores | None) -> str:
        if after is None:
            return (
                f"{name} is not known: the {self.made} network was not scored; give labelled rows "
                "(--test)"
            )
        flat = [target for target, value in after.r2.items() if value is None]
        if flat:
            return (
                f"{name} is not known: {', '.join(flat)} is constant over the {after.rows} scored "
                "rows; score rows on which it varies (--test)"
            )
        return (
            f"{name} is no finite number: the network's outputs hold NaN or Inf; tune with a lower "
            f"learning rate ({self.lower_rate})"
        )


def after_masking(pattern: str) -> ScoreAdvice:
    """Return what to say of a score that masks lost.

    Args:
        pattern: ``2:4``, whose share nobody can choose; empty for none.
    """
    less = (
        "leave --pattern out"
        if pattern
        else "mask less (smaller ratios there, and a smaller --target)"
    )
    return ScoreAdvice(
        step="masking",
        made="masked",
        retry=f"train longer (more epochs in --schedule), or {less}",
        lower_rate="the rates in --schedule",
    )
