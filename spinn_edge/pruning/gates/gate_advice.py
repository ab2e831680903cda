"""Why a check of the gate failed, and what to type next."""

from __future__ import annotations

from spinn_edge.core.pruning_record import PruningAudit
from spinn_edge.pruning.gates.score_advice import ScoreAdvice


def after_pruning(audit: PruningAudit, finetune_epochs: int) -> ScoreAdvice:
    """Return what to say of a score that pruning lost."""
    less = max(audit.achieved - 0.1, audit.achieved / 2)
    return ScoreAdvice(
        step="pruning",
        made="pruned",
        retry=f"tune longer (--finetune-epochs {2 * finetune_epochs}), in more rounds "
        f"(--rounds {len(audit.rounds) + 2}), or remove less (--target {less:.2g})",
        lower_rate="--lr",
    )


def unchanged_widths(audit: PruningAudit) -> str:
    """Say why no layer became narrower."""
    words = "no layer is narrower than before: "
    if audit.left_alone and not audit.layers:
        first = audit.left_alone[0]
        return (
            f"{words}none can be pruned; the first is '{first.name}': {first.reason}. Prune "
            "single weights instead (spinn-edge mask), or give a network that can be followed"
        )
    return (
        f"{words}zeroed weights alone make no network smaller or faster. Remove more (--target), "
        "lift protected layers and smallest widths, or compact a masked network"
    )


def missed_share(audit: PruningAudit) -> str:
    """Say that another share is gone than was asked for."""
    words = (
        f"{audit.achieved:.2%} of {audit.by} are gone, {audit.requested:.2%} were asked for, "
        f"± {audit.tolerance:.2%}: "
    )
    if count := len(audit.left_alone):
        verb = "layer was" if count == 1 else "layers were"
        words += f"{count} {verb} left alone (spinn-edge inspect says why); "
    return (
        f"{words}allow more (--tolerance), or ask for what is there (--target {audit.achieved:.3f})"
    )


def outside_range(audit: PruningAudit, low: int, high: int) -> str:
    """Say which target leaves as many parameters as are wanted."""
    left, total = audit.parameters_after, audit.parameters_before
    words = f"{left:,} parameters are left, {low:,} to {high:,} are wanted"
    if not low < total:
        return f"{words}, but there were only {total:,} before pruning: check the range"
    share = 1 - (low + min(high, total)) / 2 / total
    verb = "more" if left > high else "less"
    if share > 0.999:
        return f"{words}: remove {verb}, or check the range ({total:,} before pruning)"
    by = "" if audit.by == "parameters" else "--by parameters "
    return f"{words}: remove {verb} ({by}--target {share:.3f} of {total:,})"


def too_slow(audit: PruningAudit, lowest: float, speedup: float | None) -> str:
    """Say why fewer parameters bought no time, and where to look."""
    if speedup is None:
        return (
            "no speed-up was measured; time both networks (spinn-edge bench PRUNED --baseline "
            "DENSE) and give the ratio"
        )
    words = (
        f"{speedup:.2f}× where {lowest:.2f}× is wanted, with {audit.parameters_before:,} "
        f"parameters before and {audit.parameters_after:,} after: "
    )
    if all(layer.after >= layer.before for layer in audit.layers):
        return f"{words}no layer is narrower, and zeros alone buy no time"
    words += (
        "at small batches a call's own cost hides what the layers save (spinn-edge explain shows "
        "how much of the time that is). Time a larger batch (--batch 256) or a leaner runtime "
        "(--runtime ort-cpu)"
    )
    if audit.round_to == 1:
        words += ", make widths multiples that the machine likes (--round-to 16)"
    return f"{words}, or remove more (--target)"
