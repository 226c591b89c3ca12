"""What a steady probe saw, second by second, as lines of a chart."""

_WIDTH, _HEIGHT = 1000, 100


def chart(seconds):
    """
    Return what is drawn of a probe, or ``None`` where there was none.

    seconds
        ``[[epoch second, sent, failed, p95 in ms], …]``.

    Returns ``{"bars": [{"x", "width", "height", "failed", "title"}], "line": points,
    "sent", "failed", "most", "p95_most"}``; heights are of 100.
    """
    if not seconds:
        return None
    begin, end = seconds[0][0], seconds[-1][0] + 1
    step = _WIDTH / (end - begin)
    most = max(sent for _, sent, _, _ in seconds) or 1
    slowest = max(p95 for *_, p95 in seconds) or 1
    bars, line = [], []
    for at, sent, failed, p95 in seconds:
        x = (at - begin) * step
        words = f"{at - begin} s: {sent} requests, {failed} failed, p95 {p95:g} ms"
        bars.append({
            "x": round(x, 1), "width": round(step, 1), "title": words,
            "height": round(sent / most * _HEIGHT, 1),
            "failed": round(failed / most * _HEIGHT, 1),
        })  # fmt: skip
        line.append(f"{x + step / 2:.1f},{_HEIGHT - p95 / slowest * _HEIGHT:.1f}")
    return {
        "bars": bars, "line": " ".join(line), "most": most, "p95_most": slowest,
        "sent": sum(each[1] for each in seconds),
        "failed": sum(each[2] for each in seconds), "seconds": end - begin,
    }  # fmt: skip
