"""A model's monitoring report as one HTML file that needs nothing beside it: no script, no font, no second request."""

from __future__ import annotations

from functools import cache

import jinja2

from runtime.console import model_plots
from runtime.console.report import environment
from runtime.domain.monitored import MonitoringReport


def render(report: MonitoringReport) -> str:
    """The page. The same report gives the same page."""
    drawn = (model_plots.evidence(report), model_plots.errors(report))
    return _template().render(
        report=report,
        plots=[plot for plot in drawn if plot is not None],
        pictures=model_plots.features(report),
        shown=model_plots.SHOWN_FEATURES,
    )


@cache
def _template() -> jinja2.Template:
    return environment().get_template("model.html.j2")
