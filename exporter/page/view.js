// The document as it is shown. Only what has changed is touched; text is never taken for markup.

const $ = id => document.getElementById(id);

function setText(element, text) {
	if (element.textContent !== text)
		element.textContent = text;
}

function setClass(element, name) {
	if (element.className !== name)
		element.className = name;
}

function setTile(id, main, more, mood = "") {
	const [first, second] = $(id).querySelectorAll("dd");
	setText(first, main);
	setText(second, more);
	setClass(first, mood);
}

// --- tables -----------------------------------------------------------------------------------------

// A bar: what is used of what there is, and the most that was. levels: from where on it is a warning, and bad.
function gauge(used, most, total, text, levels) {
	return { gauge: { used: total ? used / total : 0, most: total && isNumber(most) ? most / total : null, levels }, text };
}

const RING_LEVELS = [0.7, 0.9];
const DISK_LEVELS = [0.96, 0.98]; // retention lets a disk get as full as 95 %

function fillGauge(cell, { used, most, levels }) {
	let bar = cell.querySelector(".gauge");
	if (!bar) {
		bar = document.createElement("span");
		bar.append(document.createElement("span"), document.createElement("em"));
		bar.setAttribute("aria-hidden", "true");
		cell.replaceChildren(bar, document.createElement("span"));
	}
	setClass(bar, `gauge ${used >= levels[1] ? "bad" : used >= levels[0] ? "warn" : ""}`);
	bar.firstChild.style.width = `${100 * Math.min(used, 1)}%`;
	bar.lastChild.hidden = !isNumber(most);
	bar.lastChild.style.left = `${100 * Math.min(most ?? 0, 1)}%`;
	return bar.nextSibling;
}

function fillCell(cell, value) {
	const content = typeof value === "object" ? value : { text: value };
	setText(content.gauge ? fillGauge(cell, content.gauge) : cell, content.text);
	for (const mood of ["good", "warn", "bad"])
		cell.classList.toggle(mood, content.mood === mood);
}

class Table {
	// columns: { label, word }, the first one names the row
	constructor(id, columns, none) {
		Object.assign(this, { columns, none, rows: new Map() });
		const head = document.createElement("tr");
		head.setAttribute("role", "row");
		for (const column of columns) {
			const cell = document.createElement("th");
			cell.scope = "col";
			cell.setAttribute("role", "columnheader");
			cell.textContent = column.label;
			if (column.word)
				cell.className = "word";
			head.append(cell);
		}
		const thead = document.createElement("thead");
		thead.setAttribute("role", "rowgroup");
		thead.append(head);
		this.body = document.createElement("tbody");
		this.body.setAttribute("role", "rowgroup");
		$(id).append(thead, this.body);
		this.update([]);
	}

	newRow() {
		const row = document.createElement("tr");
		row.setAttribute("role", "row");
		this.columns.forEach((column, i) => {
			const cell = document.createElement(i ? "td" : "th");
			cell.setAttribute("role", i ? "cell" : "rowheader");
			if (i)
				cell.dataset.label = column.label;
			else
				cell.scope = "row";
			if (column.word)
				cell.classList.add("word");
			row.append(cell);
		});
		return row;
	}

	noneRow() {
		const row = document.createElement("tr");
		const cell = document.createElement("td");
		row.setAttribute("role", "row");
		cell.setAttribute("role", "cell");
		cell.className = "none";
		cell.colSpan = this.columns.length;
		cell.textContent = this.none;
		row.append(cell);
		return row;
	}

	// rows: { key, cells, total }, in order
	update(rows) {
		const kept = new Map();
		for (const { key, cells, total } of rows) {
			const row = this.rows.get(key) ?? this.newRow();
			cells.forEach((value, i) => fillCell(row.cells[i], value));
			row.classList.toggle("total", Boolean(total));
			kept.set(key, row);
		}
		const wanted = rows.length ? [...kept.values()] : [this.noneRow()];
		if (wanted.length !== this.body.rows.length || wanted.some((row, i) => row !== this.body.rows[i]))
			this.body.replaceChildren(...wanted);
		this.rows = kept;
	}
}

// --- what is where -----------------------------------------------------------------------------------

const MOODS = { up: "good", running: "good", degraded: "bad", missing: "bad", down: "warn", paused: "warn", restarting: "warn", waiting: "warn" };
const REASON_LABELS = { ring_full: "ring full", disk_full: "disk full", disk_error: "disk error", bad_block: "bad block", worker_crash: "worker crash" };

const stateCell = state => ({ text: state, mood: MOODS[state] });
const lossCell = (value, format) => ({ text: format(value), mood: value > 0 ? "bad" : undefined });

class View {
	constructor(history) {
		this.history = history;
		this.interfaces = new Table("interfaces", [{ label: "Interface" }, { label: "State", word: true }, { label: "Packets/s" },
			{ label: "Written/s" }, { label: "Lost/s" }, { label: "Seen" }, { label: "Lost" }, { label: "Lost %" },
			{ label: "Missed by NIC" }, { label: "Balance" }], "none");
		this.workers = new Table("workers", [{ label: "Worker" }, { label: "State", word: true }, { label: "CPU" }, { label: "Packets/s" },
			{ label: "Lost/s" }, { label: "Lost" }, { label: "Ring", word: true }, { label: "Waiting" },
			{ label: "Write mean" }, { label: "Longest" }, { label: "Restarts" }], "none");
		this.losses = new Table("losses", [{ label: "Interface" }, ...REASONS.map(reason => ({ label: REASON_LABELS[reason] })),
			{ label: "all" }, { label: "of seen" }], "none");
		this.directories = new Table("directories", [{ label: "Directory" }, { label: "Used", word: true }, { label: "Free" },
			{ label: "Size" }], "none");
		const inks = ["c", "d", "e", "f", "g"];
		const charts = $("charts");
		this.charts = [
			new Chart(charts, { title: "Packets per second", format: formatRate, least: 10,
				series: [{ key: "written", label: "written", ink: "b", area: true }, { key: "seen", label: "seen", ink: "a" }] }),
			new Chart(charts, { title: "Lost packets per second", format: formatRate, least: 10, empty: "nothing was lost",
				series: REASONS.map((reason, i) => ({ key: reason, label: REASON_LABELS[reason], ink: inks[i], area: i === 0 })) }),
			new Chart(charts, { title: "Written per second", format: formatBytes, least: 1024, base: 1024,
				series: [{ key: "bytes", label: "bytes", ink: "b", area: true }] }),
			new Chart(charts, { title: "Fullest ring", format: value => isNumber(value) ? `${value.toFixed(0)} %` : UNKNOWN, ceiling: 100,
				series: [{ key: "fill", label: "in use", ink: "a", area: true }] }),
		];
		for (const id of ["subject", "span"])
			$(id).addEventListener("change", () => this.showCharts());
	}

	// --- the head ---------------------------------------------------------------------------------
	showState(text, mood, notice = "") {
		setText($("state"), text);
		setClass($("state"), `pill ${mood}`);
		setText($("notice"), notice);
		$("notice").hidden = !notice;
		setText(document.querySelector("title"), `fancap: ${text}`);
	}

	showStatus({ exporter, status, statistics }) {
		const since = isNumber(status.uptime_ns) ? `, for ${formatSeconds(status.uptime_ns / 1e9)}` : "";
		setText($("about"), `fancapd ${status.version}, process ${status.pid}${since}`);
		setText($("footer").firstChild, `Counts are since the daemon was started, ${formatTime(status.started_ns)}. fancap-exporter ${exporter}; `);
		if (statistics)
			this.showStatistics(statistics);
		this.showStorage(status.storage);
	}

	// --- the body ---------------------------------------------------------------------------------
	showStatistics({ interfaces, total }) {
		const rate = key => this.history.rate("", key);
		const workers = interfaces.flatMap(one => one.workers);
		const lost = lostOf(total);
		const highest = Math.max(0, ...workers.map(worker => worker.ring_blocks ? worker.ring_blocks_used_max / worker.ring_blocks : 0));
		const mean = this.history.writeMean("");
		setTile("tile-seen", `${formatRate(rate("seen"))} /s`, `${formatCount(total.packets_seen)} in all, ${formatCount(total.packets_in_ring)} waiting`);
		setTile("tile-lost", `${formatRate(rate("lost"))} /s`, `${formatCount(lost)} in all, ${formatPercent(lost, total.packets_seen)}`,
			rate("lost") > 0 ? "bad" : lost ? "warn" : "good");
		setTile("tile-bytes", `${formatBytes(rate("bytes"))}/s`, `${formatBytes(total.bytes_written)}, ${formatCount(total.packets_written)} packets in all`);
		setTile("tile-ring", formatPercent(ringFill(workers), 1), `at most ${formatPercent(highest, 1)} so far`, highest >= 1 ? "warn" : "");
		setTile("tile-write", formatNs(mean ?? (total.writes ? total.write_mean_ns : null)), `the longest so far ${formatNs(total.writes ? total.write_max_ns : null)}`);
		this.interfaces.update(interfaces.map(one => this.interfaceRow(one)));
		this.workers.update(interfaces.flatMap(one => one.workers.map(worker => this.workerRow(one, worker))));
		const all = interfaces.length > 1 ? [{ ...this.lossRow("total", total), key: "total", total: true }] : [];
		this.losses.update([...interfaces.map(one => this.lossRow(one.interface, one)), ...all]);
		this.offerSubjects(interfaces);
		this.showCharts();
	}

	interfaceRow(one) {
		const rate = key => this.history.rate(`i ${one.interface}`, key);
		const renamed = one.device && one.device !== one.interface ? ` (now ${one.device})` : "";
		return { key: one.interface, cells: [`${one.interface}${renamed}`, stateCell(one.state), formatRate(rate("seen")),
			formatBytes(rate("bytes")), lossCell(rate("lost"), formatRate), formatCount(one.packets_seen),
			lossCell(lostOf(one), formatCount), formatPercent(lostOf(one), one.packets_seen),
			lossCell(one.nic?.rx_missed, formatCount), isNumber(one.flow_balance) ? one.flow_balance.toFixed(2) : UNKNOWN] };
	}

	workerRow(one, worker) {
		const subject = `w ${one.interface} ${worker.worker}`;
		const ring = gauge(worker.ring_blocks_used, worker.ring_blocks_used_max, worker.ring_blocks,
			`${formatCount(worker.ring_blocks_used)} of ${formatCount(worker.ring_blocks)}, most ${formatCount(worker.ring_blocks_used_max)}`, RING_LEVELS);
		const mean = this.history.writeMean(subject) ?? (worker.writes ? worker.write_mean_ns : null);
		return { key: subject, cells: [`${one.interface} ${worker.worker}`, stateCell(worker.state), worker.cpu === null ? "any" : String(worker.cpu),
			formatRate(this.history.rate(subject, "seen")), lossCell(this.history.rate(subject, "lost"), formatRate),
			lossCell(lostOf(worker), formatCount), ring, formatCount(worker.packets_in_ring), formatNs(mean),
			formatNs(worker.writes ? worker.write_max_ns : null),
			{ text: formatCount(worker.worker_restarts), mood: worker.worker_restarts ? "warn" : undefined }] };
	}

	lossRow(name, counters) {
		const losses = lossesOf(counters);
		return { key: `i ${name}`, cells: [name, ...REASONS.map(reason => lossCell(losses[reason], formatCount)),
			lossCell(lostOf(counters), formatCount), formatPercent(lostOf(counters), counters.packets_seen)] };
	}

	offerSubjects(interfaces) {
		const select = $("subject"), chosen = select.value;
		const wanted = ["", ...interfaces.map(one => `i ${one.interface}`)];
		if (wanted.length === select.options.length && wanted.every((value, i) => select.options[i].value === value))
			return;
		select.replaceChildren(...wanted.map(value => new Option(value ? value.slice(2) : "all interfaces", value)));
		select.value = wanted.includes(chosen) ? chosen : "";
	}

	showCharts() {
		const seconds = Number($("span").value), subject = $("subject").value;
		for (const chart of this.charts)
			chart.update(chart.series.map(one => this.history.series(subject, one.key, seconds)), seconds);
	}

	// --- storage ------------------------------------------------------------------------------------
	showStorage(storage) {
		const forecast = isNumber(storage.retain_seconds) ? formatSeconds(storage.retain_seconds) : "not known yet";
		setTile("tile-forecast", formatBytes(storage.bytes), `${formatCount(storage.files)} files${isNumber(storage.retain_seconds) ? `; room for ${forecast}` : ""}`);
		this.directories.update(storage.directories.map(({ path, total_bytes: total, free_bytes: free }) => {
			const used = total - free;
			return { key: path, cells: [path, total ? gauge(used, null, total, formatPercent(used, total), DISK_LEVELS) : UNKNOWN,
				total ? formatBytes(free) : UNKNOWN, total ? formatBytes(total) : UNKNOWN] };
		}));
		this.showFacts([
			["Recordings", `${formatCount(storage.files)} files, ${formatBytes(storage.bytes)}${storage.scanned ? "" : " (still looking)"}`],
			["Being written", formatBytes(storage.active_bytes)],
			["Oldest packet", formatTime(storage.oldest_ns)],
			["Written over minutes", isNumber(storage.written_bytes_per_s) ? `${formatBytes(storage.written_bytes_per_s)}/s` : "not known yet"],
			["Room at this rate", forecast],
			["Finished, recovered", `${formatCount(storage.finished_files)}, ${formatCount(storage.recovered_files)}`],
			["Removed", `${formatCount(storage.removed_files)}, ${formatBytes(storage.removed_bytes)}`],
			["Storage keeper", storage.keeper_pid === null ? "is being replaced" : `process ${storage.keeper_pid}`],
			["Replaced", `${formatCount(storage.keeper_restarts)} times`, storage.keeper_restarts > 0],
			["Errors", `${formatCount(storage.errors)}${storage.last_error ? `; the last: ${storage.last_error}` : ""}`, storage.errors > 0],
		]);
	}

	showFacts(facts) {
		const list = $("storage");
		facts.forEach(([name, text, bad], i) => {
			let row = list.children[i];
			if (!row) {
				row = document.createElement("div");
				row.append(document.createElement("dt"), document.createElement("dd"));
				list.append(row);
			}
			setText(row.firstChild, name);
			setText(row.lastChild, text);
			setClass(row.lastChild, bad ? "bad" : "");
			setClass(row, text.length > 40 ? "wide" : "");
		});
	}
}
