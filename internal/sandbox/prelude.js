// What a script finds around it: console, process.env, fetch, timers, exports and require. Host functions are taken
// out of the global object before the script is read, and everything used here later is kept from being replaced.
(() => {
  const log = hostLog, request = hostRequest, finish = hostFinish;
  delete globalThis.hostLog;
  delete globalThis.hostRequest;
  delete globalThis.hostFinish;
  const { stringify, parse } = JSON;
  const timers = [];
  let clock = 0, counter = 0, ended = false, max = 0;

  const shown = (value) => {
    if (typeof value === "string") return value;
    if (value instanceof Error) return `${value}\n${value.stack}`;
    try { return stringify(value) ?? String(value); } catch { return Object.prototype.toString.call(value); }
  };
  const line = (...values) => { log(values.map(shown).join(" ").slice(0, 2000)); };
  globalThis.console = { log: line, info: line, warn: line, error: line, debug: line, trace: line };

  globalThis.setTimeout = (run, wait, ...values) => {
    timers.push({ id: ++counter, at: clock + Math.max(0, Number(wait) || 0), run: () => run(...values) });
    return counter;
  };
  globalThis.clearTimeout = (id) => {
    const at = timers.findIndex((timer) => timer.id === id);
    if (at >= 0) timers.splice(at, 1);
  };

  class Headers {
    #map = new Map();
    constructor(from = {}) {
      const pairs = from instanceof Headers ? from.entries() : Array.isArray(from) ? from : Object.entries(from);
      for (const [name, value] of pairs) this.append(name, value);
    }
    append(name, value) {
      const key = String(name).toLowerCase();
      this.#map.set(key, this.#map.has(key) ? `${this.#map.get(key)}, ${value}` : String(value));
    }
    set(name, value) { this.#map.set(String(name).toLowerCase(), String(value)); }
    get(name) { return this.#map.get(String(name).toLowerCase()) ?? null; }
    has(name) { return this.#map.has(String(name).toLowerCase()); }
    delete(name) { this.#map.delete(String(name).toLowerCase()); }
    entries() { return this.#map.entries(); }
    keys() { return this.#map.keys(); }
    values() { return this.#map.values(); }
    forEach(visit) { this.#map.forEach((value, name) => visit(value, name, this)); }
    [Symbol.iterator]() { return this.#map.entries(); }
  }
  globalThis.Headers = Headers;

  globalThis.fetch = async (url, { method = "GET", headers, body } = {}) => {
    if (body != null && typeof body !== "string") body = body instanceof Uint8Array ? String.fromCharCode(...body) : String(body);
    const sent = stringify({ url: String(url), method: String(method).toUpperCase(), header: Object.fromEntries(new Headers(headers).entries()), body: body ?? "" });
    if (sent.length > max) throw new TypeError("fetch failed: the request is too large");
    const answer = parse(request(sent));
    if (answer.error) throw Object.assign(new TypeError(`fetch failed: ${answer.error}`), { code: answer.reason });
    return {
      status: answer.status, ok: answer.status >= 200 && answer.status < 300, url: String(url), headers: new Headers(answer.header),
      text: async () => answer.body, json: async () => parse(answer.body),
    };
  };

  const require = (name) => {
    const bare = String(name).replace(/^node:/, "");
    if (bare === "process") return globalThis.process;
    throw Object.assign(new Error(`there is no module ${bare}: a script has fetch, and no libraries`), { code: "MODULE_NOT_FOUND" });
  };

  const end = (outcome) => {
    if (ended) return;
    ended = true;
    let written;
    try { written = stringify(outcome); } catch (error) { written = stringify({ error: `the result cannot be written as JSON: ${error}` }); }
    finish(written.length > max ? `{"long":true}` : written);
  };
  const failed = (error) => {
    const response = error?.response ?? {};
    const after = response.headers?.["retry-after"] ?? response.headers?.get?.("retry-after");
    const status = [response.status, error?.status, error?.statusCode, error?.code].find((one) => Number.isInteger(one)) ?? 0;
    end({ error: error instanceof Error ? String(error) : shown(error), status, after: after == null ? "" : String(after) });
  };

  // start reads the script and calls its main with the event. No text of more than so many characters goes out.
  const start = (source, event, environment, longest) => {
    max = longest;
    globalThis.process = { env: parse(environment) };
    const module = { exports: {} };
    try {
      new Function("exports", "module", "require", source)(module.exports, module, require);
      const main = typeof module.exports === "function" ? module.exports : module.exports.main;
      if (typeof main !== "function") throw new Error("the script exports no main: write exports.main = async (event, callback) => { … }");
      const returned = main(parse(event), (value) => { end({ value: value ?? {} }); });
      Promise.resolve(returned).then((value) => { if (value !== undefined) end({ value }); }, failed);
    } catch (error) {
      failed(error);
    }
  };
  // next is how many milliseconds the first timer is away, -1 without one; fire lets it go off.
  const next = () => (timers.length === 0 ? -1 : Math.max(0, timers.reduce((a, b) => (b.at < a.at ? b : a)).at - clock));
  const fire = () => {
    const first = timers.reduce((a, b) => (b.at < a.at ? b : a));
    timers.splice(timers.indexOf(first), 1);
    clock = Math.max(clock, first.at);
    try { first.run(); } catch (error) { failed(error); }
  };
  return { start, next, fire };
})()
