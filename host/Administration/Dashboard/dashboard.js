// The whole page in one module: one loop reads, `show…` functions write, one dialog changes.
// What the host answers is data from elsewhere: it only ever becomes text, never markup.

const refreshEvery = 2000;
const answerWithin = 8000;
const mostRows = 200;
const mostRunning = 3;
const samplesKept = 60;

let status = null;
let connections = [];
let connectionTotal = '…';
let connectionsOnScreen = false;
let silentSince = null;
let stream = null;
let lastEvent = 0;
let clockSkew = 0;
// Only here: whatever is stored or put into the page can be read by what comes later.
let token = '';
let change = null;
const running = new Set();
const outcomes = [];
const samples = new Map();
const ends = new Map();

const byId = id => document.getElementById(id);

// ---- words ----------------------------------------------------------------------------------

const tones = {
    good: ['listening', 'active', 'applied', 'resumed', 'recovered'],
    info: ['canary', 'swapped'],
    warn: ['paused', 'draining', 'drained', 'cut', 'rolledBack', 'stopping', 'limit', 'certificate', 'retired'],
    bad: ['failed', 'leaked', 'rejected', 'fault', 'faults', 'error'],
};

const toneOf = word => Object.keys(tones).find(tone => tones[tone].includes(word)) ?? 'none';
const spaced = word => String(word).replace(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`);
const count = (number, word, verb = '', verbs = '') => `${figure(number)} ${word}${number === 1 ? '' : 's'} ${number === 1 ? verb : verbs}`.trim();
const figure = number => number < 100000 ? String(number) : number.toLocaleString('en').replaceAll(',', '\u202f');
const short = sha256 => (sha256 ?? '').slice(0, 12);

function bytes(number) {
    const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
    let unit = 0;
    for (; number >= 999.5 && unit < units.length - 1; unit++) number /= 1000;
    return `${number < 9.95 && unit > 0 ? number.toFixed(1) : Math.round(number)} ${units[unit]}`;
}

function secondsOf(timeSpan) {
    const [, d, h, m, s] = (/^(?:(\d+)\.)?(\d+):(\d+):(\d+(?:\.\d+)?)$/.exec(timeSpan ?? '') ?? []).map(Number);
    return ((d || 0) * 24 + h) * 3600 + m * 60 + s;
}

function lasting(seconds) {
    if (!(seconds >= 0)) return '–';
    const [s, m, h, d] = [seconds % 60, seconds / 60 % 60, seconds / 3600 % 24, seconds / 86400].map(Math.floor);
    return d ? `${d}d ${h}h` : h ? `${h}h ${m}m` : m ? `${m}m ${s}s` : `${s}s`;
}

const timeSpanOf = seconds => [seconds / 3600, seconds / 60 % 60, seconds % 60].map(part => String(Math.floor(part)).padStart(2, '0')).join(':');

// An operator's laptop may be minutes off: ages and countdowns are taken by the clock of the host.
const hostNow = () => Date.now() + clockSkew;

function clock(time) {
    const date = new Date(time);
    const day = date.toDateString() === new Date().toDateString() ? '' : `${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })} `;
    return day + date.toLocaleTimeString('en-GB');
}

const addressOf = endpoint => endpoint.port === null ? `unix ${endpoint.address}`
    : `${endpoint.address.includes(':') ? `[${endpoint.address}]` : endpoint.address}:${endpoint.port}`;

const joined = (parts, by = ' · ') => parts.filter(Boolean).join(by);
const errorLine = error => joined([joined([error.file, error.line, error.column], ':'), error.path, error.message], ': ');

// ---- the document ---------------------------------------------------------------------------

// Signs that turn the direction round could make a sentence of the page say something else.
const plain = value => String(value ?? '').replace(/[\u202a-\u202e\u2066-\u2069]/g, '\ufffd');

// Writing only what differs keeps a selection alive, and a live region silent.
function text(node, value) {
    const words = plain(value);
    if (node.textContent !== words) node.textContent = words;
}

function attribute(node, name, value) {
    if (value === null || value === undefined) node.removeAttribute(name);
    else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

function badge(node, word) {
    text(node, spaced(word));
    attribute(node, 'data-state', word);
    attribute(node, 'data-tone', toneOf(word));
}

function button(node, action, name, reason = null) {
    const { word, label = word, busy } = actions[action];
    const under = running.has(joined([action, name], ' '));
    // A browser opens six connections to a host: each drain holds one, and neither the loop nor a rollback may starve.
    if (action === 'drain' && !under && running.size >= mostRunning) reason ??= `Wait: ${mostRunning} changes are under way.`;
    text(node, under ? busy : label);
    node.disabled = under || reason !== null;
    attribute(node, 'data-action', action);
    attribute(node, 'aria-label', under ? joined([busy, name], ' ') : joined([label, name], ' '));
    attribute(node, 'aria-busy', under ? 'true' : null);
    attribute(node, 'title', reason);
}

function clone(template) {
    const row = byId(template).content.firstElementChild.cloneNode(true);
    row.fields = {};
    for (const node of row.querySelectorAll('[data-field]')) row.fields[node.dataset.field] = node;
    return row;
}

function fill(fields, texts) {
    for (const [name, value] of Object.entries(texts)) text(fields[name], value);
}

// Rows live as long as what they show: focus, hover and selection stay where the operator put them.
function keyed(parent, all, keyOf, template, update) {
    const focused = document.activeElement;
    const items = new Map(all.map(item => [keyOf(item), item]));
    const rows = new Map([...parent.children].map(row => [row.key, row]));
    for (const [key, row] of rows) {
        if (items.has(key)) continue;
        if (row.contains(focused)) parent.closest('section').querySelector('h2').focus({ preventScroll: true });
        row.remove();
    }
    let place = parent.firstElementChild;
    for (const [key, item] of items) {
        const row = rows.get(key) ?? clone(template);
        row.key = key;
        if (row === place) place = place.nextElementSibling;
        else parent.insertBefore(row, place);
        update(row.fields, item, row);
    }
    if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

function lines(node, all) {
    const words = all.map(plain);
    if ([...node.children].map(child => child.textContent).join('\n') === words.join('\n')) return;
    node.replaceChildren(...words.map(line => {
        const child = document.createElement(node.matches('ul') ? 'li' : 'p');
        child.textContent = line;
        return child;
    }));
}

function sparkline(picture, rates) {
    const highest = Math.max(1, ...rates);
    const first = samplesKept - rates.length;
    const points = rates.map((rate, index) => `${first + index},${(19 - 18 * rate / highest).toFixed(1)}`).join(' ');
    const [area, line] = picture.children;
    attribute(line, 'points', points);
    attribute(area, 'points', points && `${first},20 ${points} ${samplesKept - 1},20`);
    attribute(picture, 'aria-label', `last two minutes, at most ${Math.round(Math.max(0, ...rates))} per second`);
}

// ---- showing --------------------------------------------------------------------------------

function show() {
    const now = hostNow();
    const { config, endpoints, plugins } = status;
    for (const [id, value] of Object.entries({
        'version': status.version, 'revision': status.revision, 'pid': status.pid, 'as-of': clock(Date.now()), 'config-path': config.path,
        'host-connections': `${figure(status.activeConnections)} / ${figure(status.maxConnections)}`,
        'uptime': lasting((now - Date.parse(status.startedAt)) / 1000),
    })) text(byId(id), value);
    attribute(byId('uptime'), 'title', `started ${status.startedAt}`);
    badge(byId('config-state'), config.state);
    byId('stopping').hidden = status.ready;
    button(byId('reload'), 'reload', '');
    showProblems();
    keyed(byId('endpoint-rows'), endpoints, endpoint => endpoint.name, 'endpoint-row', showEndpoint);
    const loaded = plugins.flatMap(plugin => plugin.generations).map(generation => Date.parse(generation.loadedAt)).filter(time => time < now);
    const scale = timeScale(now, Math.min(now - 60000, ...loaded));
    keyed(byId('plugin-rows'), plugins, plugin => plugin.name, 'plugin-row', (fields, plugin, row) => showPlugin(fields, plugin, row, scale));
    keyed(byId('connection-endpoint'), ['', ...endpoints.map(endpoint => endpoint.name)], name => name, 'endpoint-option', (fields, name, option) => {
        text(option, name || 'all');
        option.value = name;
    });
    showConnections();
}

function showProblems() {
    const { problems, config } = status;
    document.title = problems.length ? `(${problems.length}) PluginServer` : 'PluginServer';
    byId('calm').className = 'calm';
    text(byId('calm'), problems.length ? '' : 'Nothing is wrong');
    // Not by the text: it may count on, and a problem that is still the same one keeps its row.
    const seen = {};
    const keyOf = ({ kind, endpoint, plugin }) => {
        const same = `${kind} ${endpoint} ${plugin}`;
        return `${same} ${seen[same] = (seen[same] ?? 0) + 1}`;
    };
    keyed(byId('problem-list'), problems, keyOf, 'problem-row', (fields, problem, row) => {
        badge(fields.kind, problem.kind);
        attribute(row, 'data-tone', toneOf(problem.kind));
        const [kind, name] = problem.endpoint ? ['endpoint', problem.endpoint] : ['plugin', problem.plugin];
        fill(fields, { text: problem.text, where: name && `${kind} ${name}` });
        attribute(fields.where, 'href', `#${kind}:${encodeURIComponent(name ?? '')}`);
        fields.where.hidden = !name;
    });
    const waits = config.waitsFor?.length ? [`It is read again when one of these changes: ${config.waitsFor.join(', ')}`] : [];
    lines(byId('config-errors'), config.state === 'applied' ? [] : [...config.errors.map(errorLine), ...waits]);
}

function showEndpoint(fields, endpoint, row) {
    const { name, state, activeConnections: active, maxConnections: most } = endpoint;
    const { rates, speed } = samples.get(name);
    row.id = `endpoint:${name}`;
    row.dataset.endpoint = name;
    fill(fields, {
        name, address: addressOf(endpoint), handler: `${endpoint.plugin}.${endpoint.handler}`,
        generation: endpoint.generation === null ? 'no generation' : `generation ${endpoint.generation}`,
        listener: joined([[endpoint.acceptorRestarts, 'restart'], [endpoint.acceptErrors, 'accept error']].map(([times, word]) => times && count(times, word))),
        connections: most ? `${figure(active)} / ${figure(most)}` : figure(active),
        accepted: speed ? `${speed.accepted < 9.95 ? speed.accepted.toFixed(1) : Math.round(speed.accepted)} /s` : '– /s',
        received: speed ? `${bytes(speed.received)}/s` : '–', sent: speed ? `${bytes(speed.sent)}/s` : '–',
        faults: figure(endpoint.handlerFaults), rejected: figure(endpoint.rejectedConnections),
        reasons: joined(Object.entries(endpoint.rejectedByReason ?? {}).map(([reason, times]) => times && `${reason} ${figure(times)}`)),
    });
    badge(fields.state, state);
    sparkline(fields.spark, rates);
    const part = most ? Math.min(1, active / most) : 0;
    fields.fill.style.setProperty('--part', part);
    attribute(fields.fill, 'data-tone', part >= 1 ? 'bad' : part > 0.8 ? 'warn' : 'info');
    attribute(fields.faults, 'data-tone', endpoint.handlerFaults ? 'bad' : null);
    button(fields.pause, ['paused', 'draining'].includes(state) ? 'resume' : 'pause', `endpoint ${name}`);
    button(fields.drain, 'drain', `endpoint ${name}`, state === 'draining' ? 'A drain is under way.' : null);
}

function measure(endpoint, at) {
    const last = samples.get(endpoint.name);
    const seconds = last ? (at - last.at) / 1000 : NaN;
    // The refresh right after a change comes too early to tell a rate.
    if (seconds < 1) return;
    const totals = { accepted: endpoint.acceptedConnections, received: endpoint.bytesReceived, sent: endpoint.bytesSent };
    const sample = { at, totals, rates: [], speed: null };
    // After a pause of the page, or when the host counts anew, the line would join what is far apart.
    if (seconds < 15 && Object.keys(totals).every(key => totals[key] >= last.totals[key])) {
        sample.speed = Object.fromEntries(Object.keys(totals).map(key => [key, (totals[key] - last.totals[key]) / seconds]));
        sample.rates = [...last.rates, sample.speed.accepted].slice(-samplesKept);
    }
    samples.set(endpoint.name, sample);
}

const activeOf = plugin => plugin.generations.find(generation => generation.state === 'active');

// A swap two minutes ago and a build that has served for days both have to be seen: the scale is logarithmic.
function timeScale(now, earliest) {
    const depth = time => Math.log1p(Math.max(0, now - time) / 30000);
    const whole = depth(earliest);
    const at = time => 100 * (1 - depth(time) / whole);
    const ago = [['now', 0], ['1m', 60], ['10m', 600], ['1h', 3600], ['6h', 21600], ['1d', 86400], ['7d', 604800], ['30d', 2592000]];
    return { now, at, ticks: ago.map(([word, seconds]) => ({ word, place: at(now - seconds * 1000) })).filter(tick => tick.place > 4) };
}

function showPlugin(fields, plugin, row, scale) {
    const { name, generations } = plugin;
    const active = activeOf(plugin);
    const back = generations.some(other => other !== active && other.state !== 'failed' && other.sha256 !== active?.sha256);
    const why = back ? null : 'No other build is known that served.';
    row.id = `plugin:${name}`;
    row.dataset.plugin = name;
    fill(fields, {
        name, why, error: plugin.lastError, caption: `Generations of plugin ${name}, the newest first`,
        facts: joined([plugin.version, plugin.isolation !== 'none' && `isolation ${plugin.isolation}`, plugin.dispatch && `dispatch ${plugin.dispatch}`]),
    });
    button(fields.rollback, 'rollback', `plugin ${name}`, why);
    keyed(fields.axis, scale.ticks, tick => tick.word, 'axis-tick', (_, tick, node) => {
        text(node, tick.word);
        node.style.setProperty('--place', `${tick.place}%`);
    });
    keyed(fields.rows, generations, generation => generation.number, 'generation-row', (cells, generation, line) => {
        line.dataset.plugin = name;
        line.dataset.generation = generation.number;
        showGeneration(cells, generation, generations, name, scale);
    });
}

function showGeneration(fields, generation, generations, plugin, scale) {
    const { number, state } = generation;
    const from = Date.parse(generation.loadedAt);
    const gone = ends.get(`${number} ${plugin}`) ?? {};
    const successor = generations.findLast(other => other.number > number && !['failed', 'canary'].includes(other.state));
    const serves = ['active', 'canary'].includes(state);
    const replaced = state === 'failed' ? from : serves ? scale.now : gone.retired ?? Date.parse(successor?.loadedAt ?? generation.loadedAt);
    const until = ['draining', 'unloading', 'leaked'].includes(state) ? scale.now : Math.max(replaced, gone.unloaded ?? replaced);
    for (const [node, start, end] of [[fields.served, from, replaced], [fields.rest, replaced, until]]) {
        node.style.setProperty('--from', `${scale.at(start)}%`);
        node.style.setProperty('--to', `${scale.at(end)}%`);
        node.hidden = !(end > start || (state === 'failed' && node === fields.served));
        attribute(node, 'data-tone', toneOf(state));
    }
    badge(fields.state, state);
    fields.hash.hidden = !generation.sha256;
    fields.hash.value = generation.sha256 ?? '';
    attribute(fields.hash, 'title', generation.sha256);
    attribute(fields.hash, 'aria-label', `${short(generation.sha256)}, copy the whole hash of generation ${number} of plugin ${plugin}`);
    if (!fields.hash.dataset.copied) text(fields.hash, short(generation.sha256));
    const deadline = Date.parse(generation.drainDeadline);
    fill(fields, {
        number: `#${number}`, version: generation.version, connections: figure(generation.connections),
        oldest: generation.connections ? lasting(secondsOf(generation.oldestConnectionAge)) : '–',
        note: generation.leak ? `Held by: ${generation.leak}` : generation.error,
        times: joined([
            state === 'failed' ? `refused ${clock(from)}` : `${clock(from)} → ${serves ? 'now' : clock(replaced)}`,
            !serves && until > replaced && (until === scale.now ? 'still in memory' : `gone ${clock(until)}`),
            deadline > scale.now && `cut in ${lasting((deadline - scale.now) / 1000)} (${clock(deadline)})`,
            deadline <= scale.now && `was to be cut at ${clock(deadline)}`,
            generation.processId && `process ${generation.processId}`,
        ]),
    });
}

function showConnections() {
    text(byId('connection-count'), connectionTotal === null ? 'not known: the host did not say' : `${connections.length} of ${connectionTotal}`);
    keyed(byId('connection-rows'), connections, connection => connection.id, 'connection-row', (fields, connection, row) => {
        const { id, endpoint } = connection;
        row.dataset.connection = id;
        fill(fields, {
            id, endpoint, remote: connection.remoteAddress, plugin: `${connection.plugin} #${connection.generation}`,
            age: lasting(secondsOf(connection.age)), idle: lasting(secondsOf(connection.idle)),
            received: bytes(connection.bytesReceived), sent: bytes(connection.bytesSent),
        });
        button(fields.cut, 'cut', `connection ${id}`);
    });
}

function showSilence(words) {
    document.body.classList.toggle('stale', words !== null);
    byId('silence').hidden = words === null;
    text(byId('silence'), words);
    if (words !== null) document.title = '(!) PluginServer';
}

// ---- events ---------------------------------------------------------------------------------

function listen() {
    if (stream && stream.readyState !== EventSource.CLOSED) return;
    stream = new EventSource('/api/events');
    stream.addEventListener('host', message => showEvent(JSON.parse(message.data)));
}

function showEvent(event) {
    if (event.number <= lastEvent) return;
    lastEvent = event.number;
    if (event.kind === 'retired' || event.kind === 'unloaded') {
        const key = `${event.generation} ${event.plugin}`;
        ends.set(key, { ...ends.get(key), [event.kind]: Date.parse(event.at) });
    }
    const row = clone('event-row');
    row.dataset.event = event.number;
    const { time } = row.fields;
    text(time, clock(event.at));
    time.title = time.dateTime = event.at;
    badge(row.fields.kind, event.kind);
    fill(row.fields, {
        text: event.text,
        where: joined([event.plugin, event.generation !== null && `generation ${event.generation}`, event.endpoint && `endpoint ${event.endpoint}`]),
    });
    byId('event-rows').prepend(row);
    if (byId('event-rows').children.length > mostRows) byId('event-rows').lastElementChild.remove();
}

// Another host counts its events and generations from 1 again, so nothing of the old one may be kept.
function forgetHost() {
    stream?.close();
    lastEvent = 0;
    byId('event-rows').replaceChildren();
    samples.clear();
    ends.clear();
}

// ---- the loop -------------------------------------------------------------------------------

class NoAnswer extends Error {}

async function read(path) {
    try {
        const response = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(answerWithin) });
        return { response, body: response.ok ? await response.json() : null };
    } catch {
        throw new NoAnswer('');
    }
}

async function refresh() {
    const { response, body } = await read('/api/status');
    if (!response.ok) throw new NoAnswer(` (${response.status} ${response.statusText})`);
    const date = Date.parse(response.headers.get('Date'));
    clockSkew = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
    if (status && status.startedAt !== body.startedAt) forgetHost();
    status = body;
    const measured = performance.now();
    for (const endpoint of status.endpoints) measure(endpoint, measured);
    if (connectionsOnScreen) await readConnections();
    show();
    if (!document.hidden) listen();
    silentSince = null;
    showSilence(null);
}

async function readConnections() {
    const endpoint = byId('connection-endpoint').value;
    const answer = await read(`/api/connections?limit=${mostRows}${endpoint && `&endpoint=${encodeURIComponent(endpoint)}`}`).catch(() => null);
    connections = answer?.body?.slice(0, mostRows) ?? [];
    connectionTotal = answer?.body ? answer.response.headers.get('X-Total-Count') ?? connections.length : null;
}

let again = false;
let wake = () => {};

function refreshNow() {
    again = true;
    wake();
}

async function loop() {
    for (;;) {
        while (document.hidden) await new Promise(resolve => document.addEventListener('visibilitychange', resolve, { once: true }));
        again = false;
        const started = Date.now();
        try {
            await refresh();
        } catch (error) {
            silentSince ??= started;
            const silence = `The host does not answer since ${clock(silentSince)}${error.message}`;
            showSilence(error instanceof NoAnswer ? silence : `The page cannot show what the host answered: ${error.message}`);
        }
        if (again) continue;
        await new Promise(resolve => {
            wake = resolve;
            setTimeout(resolve, refreshEvery);
        });
    }
}

// ---- changes --------------------------------------------------------------------------------

const path = (kind, name, verb = '') => `/api/${kind}/${encodeURIComponent(name)}${verb}`;
const inside = (endpoint, one, many) => `Its ${count(endpoint.activeConnections, 'connection', one, many)}`;
const backlog = 'New clients wait in the backlog until you resume.';

const actions = {
    pause: {
        word: 'Pause', busy: 'Pausing…', path: endpoint => path('endpoints', endpoint.name, '/pause'),
        says: endpoint => [`Endpoint ${endpoint.name} stops accepting. ${inside(endpoint, 'goes', 'go')} on. ${backlog}`],
    },
    resume: {
        word: 'Resume', busy: 'Resuming…', path: endpoint => path('endpoints', endpoint.name, '/resume'),
        says: endpoint => [`Endpoint ${endpoint.name} accepts again on ${addressOf(endpoint)}. Clients that wait in the backlog are served at once, `
            + `by generation ${endpoint.generation} of plugin ${endpoint.plugin}.`],
    },
    drain: {
        word: 'Drain', busy: 'Draining…', danger: true, timeout: true,
        path: (endpoint, seconds) => path('endpoints', endpoint.name, `/drain?timeout=${timeSpanOf(seconds)}`),
        says: (endpoint, seconds) => [`Endpoint ${endpoint.name} stops accepting. ${inside(endpoint, 'is', 'are')} asked to finish, `
            + `and what is left after ${seconds} s is cut. ${backlog}`],
    },
    rollback: {
        word: 'Rollback', busy: 'Rolling back…', path: plugin => path('plugins', plugin.name, '/rollback'),
        says: plugin => {
            const { sha256, version, number, connections } = activeOf(plugin) ?? {};
            if (!number) return [`Plugin ${plugin.name} serves nothing now. It goes back to the build that served before.`];
            const ends = connections === 1 ? 'goes on until it ends' : 'go on until they end';
            return [`Plugin ${plugin.name} goes back from build ${short(sha256)} (${version}, generation ${number}) to the build that served before.`,
                `New connections get it at once. The ${count(connections, 'connection')} inside generation ${number} ${ends}.`];
        },
    },
    reload: {
        word: 'Reload', label: 'Reload (swap what changed)', busy: 'Reloading…', path: () => '/api/reload',
        says: () => [`${status.config.path} and the plugin folders are read again. What has changed is swapped, the rest is left alone.`,
            `Open connections (${figure(status.activeConnections)}) stay in the generation that serves them. `
                + `If anything is wrong, revision ${status.revision} runs on.`],
    },
    cut: {
        word: 'Cut', busy: 'Cutting…', danger: true, method: 'DELETE', path: connection => path('connections', connection.id),
        says: connection => [`Connection ${connection.id} from ${connection.remoteAddress} is reset now; data under way is lost.`],
    },
};

function outcomeOf(answer) {
    if (answer.error) return [answer.error];
    if (answer.errors) return [`Refused. Revision ${answer.revision} runs on.`, ...answer.errors.map(errorLine)];
    if (answer.changes) return [`Accepted as revision ${answer.revision}.`, ...answer.changes.length ? answer.changes : ['Nothing had changed.']];
    if ('finished' in answer) {
        return [`${answer.complete ? 'Drained' : 'The drain is not complete'}: ${answer.finished} finished, ${answer.closed} closed, ${answer.cut} cut.`,
            `Endpoint ${answer.endpoint} is paused until you resume it.`];
    }
    if ('cut' in answer) return [`Connection ${answer.id} ${answer.cut ? 'is cut' : 'was not cut'}.`];
    return [`Endpoint ${answer.endpoint} is ${answer.state} now.`];
}

const seconds = () => byId('change-timeout').valueAsNumber || 0;

function targetOf(node) {
    const { connection, endpoint, plugin } = node.closest('[data-connection], [data-endpoint], [data-plugin]')?.dataset ?? {};
    if (connection) return [`connection ${connection}`, connections.find(other => String(other.id) === connection)];
    if (endpoint) return [`endpoint ${endpoint}`, status.endpoints.find(other => other.name === endpoint)];
    if (plugin) return [`plugin ${plugin}`, status.plugins.find(other => other.name === plugin)];
    return ['', status];
}

function ask(node) {
    const action = actions[node.dataset.action];
    const [name, target] = targetOf(node);
    if (!target) return;
    change = {
        action, target, opener: node, section: node.closest('section'), state: 'asked', why: '', result: [],
        key: joined([node.dataset.action, name], ' '), title: joined([action.word, name], ' '),
    };
    byId('change-timeout').value = 30;
    showChange();
    byId('change').showModal();
}

function showChange() {
    const { action, state, target } = change;
    const asked = state === 'asked';
    text(byId('change-title'), change.title);
    lines(byId('change-text'), change.says = asked ? action.says(target, seconds()) : change.says);
    for (const [name, needed] of [['timeout', action.timeout], ['token', !token]]) {
        byId(`change-${name}-row`).hidden = !(asked && needed);
        byId(`change-${name}`).disabled = !(asked && needed);
    }
    text(byId('change-token-file'), status.tokenFile);
    text(byId('change-token-why'), change.why);
    lines(byId('change-result'), change.result);
    attribute(byId('change-result'), 'data-tone', { running: 'info', good: 'good', bad: 'bad' }[state]);
    const confirm = byId('change-confirm');
    text(confirm, state === 'running' ? action.busy : action.word);
    confirm.disabled = !asked;
    confirm.hidden = !asked && state !== 'running';
    confirm.className = action.danger ? 'danger' : 'primary';
    attribute(confirm, 'aria-label', state === 'running' ? null : change.title);
    attribute(confirm, 'aria-busy', state === 'running' ? 'true' : null);
    text(byId('change-cancel'), asked ? 'Cancel' : 'Close');
}

async function run() {
    const mine = change;
    const { action, target, key } = mine;
    if (!token) token = byId('change-token').value.trim();
    byId('change-token').value = '';
    const since = `Under way since ${clock(Date.now())}. You may close this: the outcome will be shown on the page.`;
    Object.assign(mine, { state: 'running', why: '', result: [since] });
    running.add(key);
    showChange();
    byId('change-cancel').focus();
    show();
    try {
        const headers = { Authorization: `Bearer ${token}` };
        const response = await fetch(action.path(target, seconds()), { method: action.method ?? 'POST', headers });
        const answer = await response.json().catch(() => ({ error: `${response.status} ${response.statusText}` }));
        mine.state = response.ok ? 'good' : 'bad';
        mine.result = outcomeOf(answer);
        if (response.status === 401) {
            token = '';
            Object.assign(mine, { state: 'asked', why: 'The host refused this token, and nothing happened. Enter it again.', result: [] });
        }
    } catch (error) {
        mine.state = 'bad';
        mine.result = [`No answer: ${error.message}. It is not known whether the change has happened.`];
    }
    running.delete(key);
    show();
    if (change === mine && byId('change').open) {
        showChange();
        if (mine.state === 'asked') byId('change-token').focus();
    } else {
        outcomes.push(`${mine.title}: ${mine.why || mine.result[0]}`, ...mine.result.slice(1));
        lines(byId('outcome-text'), outcomes);
        const { dataset, hidden } = byId('outcome');
        dataset.tone = mine.state === 'good' && (hidden || dataset.tone === 'good') ? 'good' : 'bad';
        byId('outcome').hidden = false;
    }
    refreshNow();
}

// ---- wiring ---------------------------------------------------------------------------------

// Not the clipboard API: it is missing when the page comes over plain HTTP from another machine.
function copy(node) {
    text(node, node.value);
    getSelection().selectAllChildren(node);
    if (document.execCommand('copy')) text(node, 'copied');
    node.dataset.copied = 'yes';
    setTimeout(() => delete node.dataset.copied, 1500);
}

document.addEventListener('click', event => {
    const node = event.target.closest('button');
    if (node?.dataset.action && status) ask(node);
    else if (node?.matches('.hash')) copy(node);
});
document.addEventListener('visibilitychange', () => document.hidden && stream?.close());
byId('change-form').addEventListener('submit', event => {
    event.preventDefault();
    if (change.state === 'asked') run();
});
byId('change-timeout').addEventListener('input', showChange);
byId('change-cancel').addEventListener('click', () => byId('change').close());
byId('change').addEventListener('close', () => {
    byId('change-token').value = '';
    // What opened the dialog may be gone or disabled by now, and focus must not start over at the top.
    if (!change.opener.isConnected || change.opener.disabled) change.section.querySelector('h2').focus({ preventScroll: true });
});
byId('outcome-close').addEventListener('click', () => {
    outcomes.length = 0;
    byId('outcome').hidden = true;
    byId('problems').focus({ preventScroll: true });
});
byId('connection-endpoint').addEventListener('change', refreshNow);
new IntersectionObserver(entries => {
    connectionsOnScreen = entries.at(-1).isIntersecting;
    if (connectionsOnScreen) refreshNow();
}).observe(byId('connections'));

loop();
