"""Charts that stay while their figures change, and with them what the user did: zoomed in, hid a line.

`st.plotly_chart` makes a new chart of every new figure. Here Plotly, as its Python package brings it, draws the new
figure into the old chart.
"""

from pathlib import Path
from typing import Any

import plotly
import streamlit as st
from streamlit.components.v1 import declare_component
from streamlit.components.v2 import component

_served = declare_component("plotly", path=Path(plotly.__file__).with_name("package_data"))
_chart = component("opro.chart", js=Path(__file__).with_name("charts.js").read_text("utf-8"), isolate_styles=False)


def show(figure: Any, key: str) -> None:
    """Show a figure in the chart of this key, which is unique to the page; its camera saves what is seen as an SVG."""
    base = st.get_option("server.baseUrlPath").strip("/")
    address = f"{base and '/'}{base}/component/{_served.name}/plotly.min.js?{plotly.__version__}"
    _chart(key=key, data={"figure": figure.to_json(), "name": key, "plotly": address})
