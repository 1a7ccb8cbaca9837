// Asks once a second, as long as somebody looks.

const PERIOD_MS = 1000;
const PATIENCE_MS = 8000;
const LOSING_S = 10; // said for so long after the last packet that was lost

const history_ = new History();
const view = new View(history_);
let answered = performance.now();
let timer = null;
let asking = false;

function worstOf({ interfaces }) {
	const states = interfaces.flatMap(one => [one.state, ...one.workers.map(worker => worker.state)]);
	return ["degraded", "missing", "restarting", "down", "paused"].find(state => states.includes(state));
}

function show(answer) {
	answered = performance.now();
	if (answer.statistics)
		history_.add(answer.statistics);
	if (answer.status)
		view.showStatus(answer);
	document.body.className = answer.up ? "" : "stale";
	if (!answer.up) {
		view.showState("daemon not running", "bad", `No answer from fancapd, so what is shown is old. ${answer.reason}`);
	} else if (!answer.ready) {
		view.showState(answer.status.state, "warn", answer.reason);
	} else {
		const worst = worstOf(answer.statistics);
		const losing = history_.losing(LOSING_S);
		view.showState(losing ? "losing packets" : worst ?? "running", losing ? "bad" : worst ? "warn" : "good");
	}
}

function showStale(why) {
	document.body.className = "stale";
	view.showState("stale", "bad", `The exporter has not answered for ${formatSeconds((performance.now() - answered) / 1000)} (${why}): what is shown is old.`);
}

async function ask() {
	asking = true;
	try {
		const response = await fetch("/api/statistics", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
		if (!response.ok)
			throw new Error(`status ${response.status}`);
		show(await response.json());
	} catch (error) {
		showStale(error.message);
	}
	asking = false;
	timer = document.hidden ? null : setTimeout(ask, PERIOD_MS);
}

document.addEventListener("visibilitychange", () => {
	if (!document.hidden && timer === null && !asking)
		ask();
});
ask();
