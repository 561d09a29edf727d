// Draws a Plotly figure into the chart of the figure before it, so that Plotly keeps what the user did: `uirevision`.

const HEIGHT = 450;
const GREYS = { light: { text: "#808495", line: "#e6eaf1" }, dark: { text: "#e6eaf1", line: "#31333f" } };

const FULLSCREEN = {
  name: "Fullscreen",
  title: "Fullscreen",
  icon: { width: 14, height: 14, path: "M0 0h5v2H2v3H0zM9 0h5v5h-2V2H9zM0 9h2v3h3v2H0zM12 9h2v5H9v-2h3z" },
  click: (chart) => (document.fullscreenElement ? document.exitFullscreen() : chart.requestFullscreen()),
};

const MOST = 4;
const charts = new Map(); // the last ones by name, so that another tab may be looked at meanwhile
const newest = new WeakMap(); // by chart, the figure that was sent last
const sizes = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    if (contentRect.width) window.Plotly.relayout(target, { autosize: true });
  }
});

let held = false; // a mouse button, over a chart
window.addEventListener("pointerdown", ({ target }) => (held = target.closest(".opro-chart") !== null), true);
for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, () => (held = false), true);

export default async function ({ data, parentElement }) {
  const chart = placed(data.name, parentElement);
  const figure = JSON.parse(data.figure);
  chart.style.height = `${figure.layout.height ?? HEIGHT}px`; // before it is drawn, so that nothing moves then
  newest.set(chart, figure);
  const Plotly = await (window.oproPlotly ??= loaded(data.plotly));
  while (held) await new Promise(requestAnimationFrame); // else the rectangle that the user draws would be lost
  if (chart.isConnected && newest.get(chart) === figure) {
    await Plotly.react(chart, fitted(figure, chart, data.name));
    sizes.observe(chart);
  }
}

function placed(name, parent) {
  const chart = charts.get(name) ?? document.createElement("div");
  if (chart.parentElement === parent) return chart;
  chart.className ||= "opro-chart";
  parent.append(chart);
  charts.delete(name);
  charts.set(name, chart);
  for (const [other, old] of charts) {
    if (charts.size > MOST && !old.isConnected) forget(other, old);
  }
  return chart;
}

function forget(name, chart) {
  charts.delete(name);
  sizes.unobserve(chart);
  window.Plotly?.purge(chart);
}

async function loaded(address) {
  // Streamlit would compress the whole script for each page, which takes a second, but leaves a range as it is.
  const answer = await fetch(address, { headers: { Range: "bytes=0-" }, cache: "force-cache" });
  if (!answer.ok) throw new Error(`${address} answered ${answer.status}`);
  const script = document.createElement("script");
  script.src = URL.createObjectURL(await answer.blob());
  await new Promise((resolve, reject) => {
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${address} is no script`));
    document.head.append(script);
  });
  URL.revokeObjectURL(script.src);
  return window.Plotly;
}

function fitted({ data, layout, frames }, chart, filename) {
  const { width, height, ...rest } = layout;
  return {
    // By its name a line is known again, though another came in before it. Plotly makes selectors of this.
    data: data.map((trace) => ({ uid: trace.name?.replace(/\W/g, (sign) => sign.charCodeAt(0)), ...trace })),
    layout: { ...rest, autosize: true, template: template(getComputedStyle(chart)) },
    frames,
    config: {
      displaylogo: false,
      showSendToCloud: false,
      modeBarButtonsToAdd: [FULLSCREEN],
      modeBarButtonsToRemove: ["lasso2d", "select2d"],
      toImageButtonOptions: { format: "svg", filename },
    },
  };
}

// What `st.plotly_chart` makes of the page's theme.
function template(style) {
  const of = (name) => style.getPropertyValue(`--st-${name}`).trim();
  const scale = (name) => of(name).split(",").map((colour, place, all) => [place / (all.length - 1), colour]);
  const { text, line } = GREYS[style.colorScheme] ?? GREYS.light;
  const [page, family, sequential] = [of("background-color"), of("font"), scale("chart-sequential-colors")];
  const small = { color: text, size: 12 };
  const axis = (standoff) => ({
    automargin: true,
    gridcolor: line,
    minor: { gridcolor: line },
    tickcolor: line,
    tickfont: small,
    title: { font: { color: text, size: 14 }, standoff },
    zerolinecolor: line,
  });
  return {
    data: {
      contour: [{ colorscale: sequential }],
      heatmap: [{ colorscale: sequential }],
      scatter: [{ marker: { line: { width: 0 } } }],
    },
    layout: {
      colorscale: { sequential, sequentialminus: sequential, diverging: scale("chart-diverging-colors") },
      colorway: of("chart-categorical-colors").split(","),
      font: { ...small, family },
      hoverlabel: { bgcolor: page, bordercolor: of("border-color"), font: { ...small, family } },
      legend: { bordercolor: "transparent", font: { ...small, color: of("text-color") }, title: { font: small } },
      margin: { l: 0, r: 0, pad: 8 },
      paper_bgcolor: page,
      plot_bgcolor: page,
      title: { font: { color: of("heading-color"), family: of("heading-font"), size: 16 }, x: 0, xanchor: "left" },
      xaxis: { ...axis(20), showgrid: false, zeroline: false },
      yaxis: axis(24),
    },
  };
}
