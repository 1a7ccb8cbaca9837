// What the counters were, and how fast they grew.

const HISTORY_MS = 16 * 60 * 1000;
// A sample that is so much later than the one before says nothing of the time between: the page was asleep.
const GAP_MS = 15000;
const REASONS = ["ring_full", "disk_full", "disk_error", "bad_block", "worker_crash"];

// Packets that are in no file, by reason: dropped by the kernel, and discarded by fancapd.
function lossesOf(counters) {
	return { ring_full: counters.packets_dropped, ...counters.discarded_by_reason };
}

function lostOf(counters) {
	return counters.packets_dropped + counters.packets_discarded;
}

function ringFill(workers) {
	return Math.max(0, ...workers.map(worker => worker.ring_blocks ? worker.ring_blocks_used / worker.ring_blocks : 0));
}

function countersOf(object, workers) {
	return {
		seen: object.packets_seen,
		written: object.packets_written,
		bytes: object.bytes_written,
		lost: lostOf(object),
		writes: object.writes,
		write_ns: object.write_ns,
		...lossesOf(object),
		fill: 100 * ringFill(workers),
	};
}

const GAUGES = new Set(["fill"]);

class History {
	constructor() {
		this.samples = [];
	}

	// Interfaces are called "i NAME", workers "w NAME NUMBER", the total "".
	add(statistics) {
		const interfaces = statistics.interfaces;
		const subjects = new Map([["", countersOf(statistics.total, interfaces.flatMap(one => one.workers))]]);
		for (const one of interfaces) {
			subjects.set(`i ${one.interface}`, countersOf(one, one.workers));
			for (const worker of one.workers)
				subjects.set(`w ${one.interface} ${worker.worker}`, countersOf(worker, [worker]));
		}
		const time = statistics.time_ns / 1e6;
		const last = this.samples.at(-1);
		// The same answer, shared with somebody else's question.
		if (time === last?.time && statistics.started_ns === last.started)
			return;
		// The clock was set back.
		if (time < last?.time)
			this.samples = [];
		this.samples.push({ time, started: statistics.started_ns, subjects });
		while (this.samples[0].time < time - HISTORY_MS)
			this.samples.shift();
	}

	// Growth per second from one sample to the next; null where that is not known.
	rateAt(i, subject, key) {
		const [before, after] = [this.samples[i - 1], this.samples[i]];
		if (!before || !after || after.started !== before.started || after.time - before.time > GAP_MS)
			return null;
		const growth = after.subjects.get(subject)?.[key] - before.subjects.get(subject)?.[key];
		return growth >= 0 ? 1000 * growth / (after.time - before.time) : null;
	}

	valueAt(i, subject, key) {
		return GAUGES.has(key) ? this.samples[i].subjects.get(subject)?.[key] ?? null : this.rateAt(i, subject, key);
	}

	// As it is now.
	rate(subject, key) {
		return this.rateAt(this.samples.length - 1, subject, key);
	}

	// Whether packets were lost in the last seconds.
	losing(seconds) {
		return this.series("", "lost", seconds).some(([, rate]) => rate > 0);
	}

	// Of the last minute's writes, the mean; null if there were none.
	writeMean(subject) {
		const last = this.samples.at(-1);
		const first = this.samples.find(sample => sample.started === last?.started && sample.time >= last.time - 60000);
		const [from, to] = [first?.subjects.get(subject), last?.subjects.get(subject)];
		const writes = from && to ? to.writes - from.writes : 0;
		return writes > 0 ? (to.write_ns - from.write_ns) / writes : null;
	}

	// [time, value] of the last seconds.
	series(subject, key, seconds) {
		const end = this.samples.at(-1)?.time ?? 0;
		const points = [];
		for (let i = 0; i < this.samples.length; i++)
			if (this.samples[i].time >= end - 1000 * seconds)
				points.push([this.samples[i].time, this.valueAt(i, subject, key)]);
		return points;
	}
}
