// A line chart of the last minutes, drawn anew with every sample.

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { left: 56, right: 6, top: 8, bottom: 18 };

function svgElement(name, attributes, text) {
	const element = document.createElementNS(SVG, name);
	for (const [key, value] of Object.entries(attributes))
		element.setAttribute(key, value);
	if (text !== undefined)
		element.textContent = text;
	return element;
}

// The least 1, 2 or 5 times a power of ten (of a unit: 1024 for bytes) that is not less.
function niceCeiling(value, base = 1) {
	const unit = base > 1 ? base ** Math.floor(Math.log(value) / Math.log(base)) : 1;
	const power = 10 ** Math.floor(Math.log10(value / unit));
	return [1, 2, 5, 10].map(factor => factor * power * unit).find(candidate => candidate >= value * 0.9999);
}

class Chart {
	// series: { key, label, ink, area }; format: of a value; least: that the axis goes up to; ceiling: it is fixed;
	// base: of the units; empty: said when there is nothing to see
	constructor(parent, { title, series, format, least, ceiling, base, empty }) {
		Object.assign(this, { title, series, format, least, ceiling, base, empty, cursor: null });
		this.figure = document.createElement("figure");
		this.caption = document.createElement("figcaption");
		this.caption.append(Object.assign(document.createElement("b"), { textContent: title }));
		this.svg = svgElement("svg", { role: "img" });
		this.figure.append(this.caption, this.svg);
		parent.append(this.figure);
		this.labels = series.map(one => {
			const label = document.createElement("i");
			label.className = one.ink;
			this.caption.append(label);
			return label;
		});
		this.svg.addEventListener("pointermove", event => this.point(event.offsetX));
		this.svg.addEventListener("pointerleave", () => this.point(null));
		new ResizeObserver(() => this.draw()).observe(this.svg);
	}

	point(x) {
		this.cursor = x;
		this.draw();
	}

	// data: of each series its [time, value]
	update(data, seconds) {
		Object.assign(this, { data, seconds });
		this.draw();
	}

	draw() {
		const [width, height] = [this.svg.clientWidth, this.svg.clientHeight];
		if (!this.data || !width)
			return;
		const end = this.data[0].at(-1)?.[0] ?? 0;
		const values = this.data.flat().map(([, value]) => value).filter(isNumber);
		const top = this.ceiling ?? niceCeiling(Math.max(this.least, ...values), this.base);
		const x = time => width - MARGIN.right - (end - time) / (1000 * this.seconds) * (width - MARGIN.left - MARGIN.right);
		const y = value => height - MARGIN.bottom - value / top * (height - MARGIN.top - MARGIN.bottom);
		this.svg.replaceChildren();
		this.drawAxes(width, x(end), y, top);
		this.series.forEach((one, i) => this.drawSeries(one, this.data[i], x, y));
		if (this.empty && !values.some(value => value > 0))
			this.svg.append(svgElement("text", { x: (width + MARGIN.left) / 2, y: height / 2, "text-anchor": "middle" }, this.empty));
		const at = this.drawCursor(x, height);
		this.describe(at, values);
	}

	drawAxes(width, right, y, top) {
		for (const value of [0, top / 2, top]) {
			this.svg.append(svgElement("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }));
			this.svg.append(svgElement("text", { x: MARGIN.left - 5, y: y(value) + 4, "text-anchor": "end" }, this.format(value)));
		}
		const below = y(0) + 14;
		this.svg.append(svgElement("text", { x: MARGIN.left, y: below }, `${this.seconds / 60} min ago`));
		this.svg.append(svgElement("text", { x: right, y: below, "text-anchor": "end" }, "now"));
	}

	// A line for each run of values that are known.
	drawSeries(one, points, x, y) {
		let run = [];
		const finish = () => {
			if (run.length) {
				const line = run.map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`).join(" L");
				if (one.area)
					this.svg.append(svgElement("path", { class: `area ${one.ink}`,
						d: `M${x(run[0][0]).toFixed(1)},${y(0)} L${line} L${x(run.at(-1)[0]).toFixed(1)},${y(0)} Z` }));
				this.svg.append(svgElement("path", { class: `series ${one.ink}`, d: `M${line}` }));
			}
			run = [];
		};
		for (const point of points) {
			if (isNumber(point[1]))
				run.push(point);
			else
				finish();
		}
		finish();
	}

	// The sample that is pointed at, or the last one. @return its index
	drawCursor(x, height) {
		const times = this.data[0].map(([time]) => time);
		if (this.cursor === null || !times.length)
			return times.length - 1;
		const near = times.reduce((best, time, i) => Math.abs(x(time) - this.cursor) < Math.abs(x(times[best]) - this.cursor) ? i : best, 0);
		this.svg.append(svgElement("line", { class: "cursor", x1: x(times[near]), x2: x(times[near]), y1: MARGIN.top, y2: height - MARGIN.bottom }));
		return near;
	}

	describe(at, values) {
		this.series.forEach((one, i) => {
			this.labels[i].textContent = `${one.label} ${this.format(this.data[i][at]?.[1] ?? null)}`;
		});
		const now = this.series.map((one, i) => `${one.label} ${this.format(this.data[i].at(-1)?.[1] ?? null)}`).join(", ");
		const most = values.length ? `; the most was ${this.format(Math.max(...values))}` : "";
		this.svg.setAttribute("aria-label", `${this.title}, the last ${this.seconds / 60} minutes. Now: ${now}${most}.`);
	}
}
