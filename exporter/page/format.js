"use strict";
// Numbers for people. null and undefined are "not known".

const UNKNOWN = "–";
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

// Three digits at least, four at most, with a prefix: 1,234 k is not said, 1.23 M is.
function scaled(value, base, units) {
	let i = 0;
	while (Math.abs(value) >= base && i < units.length - 1) {
		value /= base;
		i++;
	}
	const digits = i === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
	return `${value.toFixed(digits)}${units[i] ? ` ${units[i]}` : ""}`;
}

const isNumber = value => typeof value === "number" && Number.isFinite(value);

function formatCount(value) {
	return isNumber(value) ? whole.format(value) : UNKNOWN;
}

function formatRate(value) {
	if (!isNumber(value))
		return UNKNOWN;
	if (value > 0 && value < 10)
		return value.toFixed(1);
	return value < 100000 ? whole.format(value) : scaled(value, 1000, ["", "k", "M", "G"]);
}

function formatBytes(value) {
	return isNumber(value) ? scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]) : UNKNOWN;
}

function formatNs(value) {
	return isNumber(value) ? scaled(value, 1000, ["ns", "µs", "ms", "s"]) : UNKNOWN;
}

// The two largest units: 3 d 4 h.
function formatSeconds(value) {
	if (!isNumber(value))
		return UNKNOWN;
	const units = [["y", 31557600], ["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
	let i = units.findIndex(([, size]) => value >= size);
	if (i < 0)
		return "0 s";
	const parts = [`${Math.floor(value / units[i][1])} ${units[i][0]}`];
	const rest = Math.floor((value % units[i][1]) / (units[i + 1]?.[1] ?? Infinity));
	if (rest > 0)
		parts.push(`${rest} ${units[i + 1][0]}`);
	return parts.join(" ");
}

// 0.00 is said of nothing only, 100 % of all only.
function formatPercent(part, total) {
	if (!isNumber(part) || !isNumber(total) || total <= 0)
		return UNKNOWN;
	const percent = 100 * part / total;
	if (percent > 0 && percent < 0.01)
		return "<0.01 %";
	if (percent < 100 && percent > 99.99)
		return ">99.99 %";
	return `${percent.toFixed(percent >= 10 ? 1 : 2)} %`;
}

// Nanoseconds since 1970, as "2023-11-14 22:13:20 UTC".
function formatTime(ns) {
	return isNumber(ns) ? `${new Date(ns / 1e6).toISOString().slice(0, 19).replace("T", " ")} UTC` : UNKNOWN;
}
