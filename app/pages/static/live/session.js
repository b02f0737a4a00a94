// A page in a session: it is told what crosses its sockets (feed.js), receives over one or more transports (clients/),
// and passes all of that through the gate, in the order in which it came, into a model per transport. It reconnects by
// itself when the server is lost, and each transport resumes where it was.
import { signal } from "@preact/signals";
import { TRANSPORTS } from "../transports/index.js";
import { randomName, watch } from "./feed.js";
import { Gate } from "./gate.js";
import { epoch, MESSAGES_KEPT, Model } from "./model.js";
import { Sockets } from "../wire/sockets.js";
import { publishedByHand } from "../words/mode.js";
import { sequence } from "../words/format.js";
import { inTheory } from "./settings.js";

const OF_THE_SESSION = ["rate", "delay", "upgrades"];

/** What `set` changes; each resets the counters. */
export const SETTINGS = [...OF_THE_SESSION, ...Object.values(TRANSPORTS).flatMap(({ settings }) => Object.keys(settings))];

/**
 * Join the session `values.session`, or one of our own. `values` has SETTINGS, those that the page lets one set; rate,
 * delay and upgrades are the session's, and change here when somebody else changes them. An arrival waits for `behind_ms`, so that the
 * bytes that brought it get here first. The page is told:
 *
 *   on.update(what, value, model, fresh)  something has passed the gate and `model` has learnt it (null: it is nobody's, or
 *     everybody's). Returns whether it can be seen, so that a step ends with it. `what` and `value` are "piece" (`fresh`:
 *     it began a new arrow), "published" { cursor, published_ms }, "arrived" { transport, message, at_ms },
 *     "closed" { transport, connection, at_ms } and "mark" { transport or null, at_ms, kind (words/marks.js), missed or undefined };
 *     `missed` has { reason, cursor, number (null if nobody knows), awaited: how many of them this page knew of and counts }
 *   on.settings()  somebody else has changed `values`;   on.reset()  the counters are reset;   on.change()  anything else
 */
export function join({ transports, values, on, behind_ms = 0 }) {
  values.upgrades ??= "pass";
  const page = randomName();
  const session = values.session || page;
  const models = Object.fromEntries(transports.map(transport => [transport, Object.assign(new Model(), { setup: () => TRANSPORTS[transport].setup(inTheory(values)) })]));
  const clients = Object.fromEntries(transports.map(transport => [transport, signal({ there: false, why: "" })]));
  const server = signal({ there: false, why: "" });
  const sockets = new Sockets();
  const all = Object.values(models);
  const stops = {}, after = {};
  const told = new Set(); // messages that we know to be published
  let log = null; // which log it is, by its epoch
  let echoes = 0; // our own settings that the server has yet to say back
  let worst_ms = Infinity; // how wrong a delay can be that was measured since the count began
  let uncounted = true, unseen = true; // once the clock is known, the counters are reset and the clients start

  function learn(what, value) {
    if (what === "piece") {
      const model = models[value.transport] ?? null, before = model?.arrows.at(-1);
      if (model && value.direction === "up") clients[value.transport].value = { there: true, why: "" }; // it has reached the server
      return { model, fresh: model !== null && model.piece(value) !== before };
    }
    const model = models[what === "closed" ? (value.transport = sockets.closed(value.connection)) : value.transport] ?? null;
    const concerned = model ? [model] : all;
    if (what === "published") for (const one of all) one.published(value);
    else if (what === "arrived") model.arrived(value.message, value.at_ms);
    else if (what === "closed") model?.closed(value.connection, value.at_ms);
    else if (value.missed) value.missed.awaited = model.missed(value.missed.cursor, value);
    else for (const one of concerned) value.kind === "server_lost" ? one.offline(value) : one.mark(value);
    if (value.kind === "behind") sockets.resync();
    return { model, fresh: true };
  }

  const gate = new Gate(
    ({ what, value }) => {
      if (what === "piece") value = sockets.read(value);
      const { model, fresh } = learn(what, value);
      return on.update(what, value, model, fresh);
    },
    ({ what, value }) => what === "piece" && all.some(model => model.joins(value)),
    () => mark("gate_full"),
  );
  const update = (what, value) => { gate.push({ what, value, at_ms: value.at_ms ?? value.published_ms, bytes: 200 + (value.base64?.length ?? 0) }); on.change(); };
  const mark = (kind, more = {}) => update("mark", { transport: null, at_ms: now_ms(), kind, ...more });

  const feed = watch(session, page, (what, value) => {
    if (what === "hello") hello(value);
    else if (what === "clock") {
      on.change();
      if (!feed.clock.known) return;
      if (uncounted) reset();
      // A client that reconnected before this feed did has a connection that we have not seen from its beginning.
      if (unseen) for (const transport of transports) start(transport);
      uncounted = unseen = false;
    } else if (what === "settings") {
      echoes = Math.max(0, echoes - 1);
      if (!echoes) adopt(value);
    } else if (what === "lost_server") {
      if (server.value.there) mark("server_lost");
      server.value = { there: false, why: value };
    } else if (what === "published") tell(value);
    else if (what === "lost") mark("behind", { things: value.things, bytes: value.up + value.down });
    else if (what === "piece" || what === "closed") update(what, value);
  });
  const now_ms = () => feed.clock.now();

  function hello({ newest: there, settings }) {
    server.value = { there: true, why: "" };
    sockets.forget();
    unseen = true;
    echoes = 0;
    if (settings && values.session) adopt(settings);
    else saySettings();
    if (log === null) for (const transport of transports) after[transport] = there;
    else if (log !== epoch(there)) {
      mark("new_log");
      uncounted = true;
    }
    log = epoch(there);
  }

  /** A message is published, as the feed says, or as we see when it arrives: whichever comes first. */
  function tell({ cursor, published_ms }) {
    if (told.has(cursor)) return;
    told.add(cursor);
    if (told.size > MESSAGES_KEPT) told.delete(told.values().next().value);
    update("published", { cursor, published_ms });
  }

  /** Receive, from where we are, with the settings as they are now. */
  function start(transport) {
    stops[transport]?.();
    let over = false;
    const unlessOver = action => value => { if (!over) action(value); };
    const { stop } = TRANSPORTS[transport].receive(`/s/${session}/${page}`, { after: after[transport], pause_s: values.pause, hold_s: values.hold, via: values.via }, {
      connected: unlessOver(() => { clients[transport].value = { there: true, why: "" }; }),
      lost: unlessOver(problem => { clients[transport].value = { there: false, why: problem.message }; }),
      missed: unlessOver(({ reason, cursor }) => {
        const before = after[transport], number = Number(sequence(cursor)) - Number(sequence(before));
        after[transport] = cursor;
        mark(`missed_${reason}`, { transport, missed: { cursor, reason, number: epoch(before) === epoch(cursor) ? number : null } });
      }),
      message: unlessOver(message => {
        const at_ms = now_ms();
        worst_ms = Math.max(worst_ms, feed.clock.uncertainty_ms);
        after[transport] = message.cursor;
        const pass = () => { tell(message); update("arrived", { transport, message, at_ms }); };
        behind_ms ? setTimeout(pass, behind_ms) : pass();
      }),
    });
    stops[transport] = () => { over = true; stop(); };
  }

  /** The counters are about the settings as they are, and about what happens from now on, even if our clock is late. */
  function reset() {
    if (!feed.clock.known) return; // it will be done when it is
    worst_ms = feed.clock.uncertainty_ms;
    for (const model of all) model.reset(now_ms() - worst_ms);
    on.reset();
  }

  function saySettings() { echoes++; feed.say({ settings: { publish_hz: values.rate, delay_ms: values.delay, upgrades: values.upgrades } }); }

  function adopt({ publish_hz, delay_ms, upgrades }) {
    if (publish_hz === values.rate && delay_ms === values.delay && upgrades === values.upgrades) return;
    const before = values.upgrades;
    Object.assign(values, { rate: publish_hz, delay: delay_ms, upgrades });
    if (upgrades !== before) noteNetwork();
    on.settings();
    reset();
  }

  /** WebSocket gets through, or no longer. A client that falls back notices by itself, but tries WebSocket again only when it reconnects. */
  function noteNetwork() {
    mark(`upgrades_${values.upgrades}`);
    if (values.upgrades !== "pass") return;
    for (const transport of transports) if (stops[transport] && TRANSPORTS[transport].upgrade === "optional") start(transport);
  }

  return {
    session, models, clients, server, gate, now_ms, reset,
    get uncertainty_ms() { return worst_ms; },
    /** Change a setting. */
    set(name, value) {
      values[name] = value;
      if (OF_THE_SESSION.includes(name)) saySettings();
      if (name === "upgrades") noteNetwork();
      for (const transport of transports) if (stops[transport] && name in TRANSPORTS[transport].settings) start(transport);
      reset();
    },
    publish() { feed.say({ publish: publishedByHand(new Date()) }); },
    cut() { mark("cut"); feed.say({ cut: true }); },
  };
}
