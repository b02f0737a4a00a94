// A page in a session: it hears what crosses its sockets (feed.js), receives over one or more transports (clients/),
// and passes all of that through the gate, in the order in which it came, into a model per transport. It comes back by
// itself when the server is lost, and each transport goes on from where it was.
import { signal } from "@preact/signals";
import { CLIENTS } from "../clients/index.js";
import { randomName, watch } from "./feed.js";
import { Gate } from "./gate.js";
import { epoch, MESSAGES_KEPT, Model } from "./model.js";
import { Sockets } from "../wire/sockets.js";
import { sequence, size } from "../words/format.js";

/** What `set` changes; the counters begin anew with each. */
export const SETTINGS = ["rate", "delay", "upgrades", "interval", "hold", "via"];

const OF_THE_SESSION = ["rate", "delay", "upgrades"];
const RESTARTS = { interval: "short_poll", hold: "long_poll", via: "socket_io" }; // settings that are a client's
const NETWORK = {
  pass: "WebSocket gets through",
  refuse: "WebSocket is refused",
  cut: "WebSocket is cut off",
};
/** What `missed` means, by its reason. */
export const MISSED = {
  restarted: "a new log has begun: what was in the old one is gone",
  expired: "some messages were missed: they are no longer kept",
  ahead: "the server doesn't know our place any more",
};

/**
 * Join the session `values.session`, or one of our own. `values` has SETTINGS, those that the page lets one set; rate,
 * delay and upgrades are the session's, and change here when somebody else changes them. An arrival waits for `behind_ms`, so that what the
 * feed tells of the message's way is here before it. The page is told:
 *
 *   on.news(what, value, model, fresh)  news has passed the gate and `model` has learnt it (null: it is nobody's, or
 *     everybody's). Returns whether it can be seen, so that a step ends with it. `what` and `value` are "piece" (`fresh`:
 *     it began a new arrow), "published" { cursor, published_ms }, "arrived" { transport, message, at_ms },
 *     "closed" { transport, connection, at_ms } and "mark" { transport or null, at_ms, text, missed or undefined }; `missed`
 *     has { reason, cursor, number (null if nobody knows), awaited: how many of them this page had heard of and counts }
 *   on.settings()  somebody else has changed `values`;   on.recount()  the counters begin anew;   on.change()  anything else
 */
export function join({ transports, values, on, behind_ms = 0 }) {
  values.upgrades ??= "pass";
  const page = randomName();
  const session = values.session || page;
  const models = Object.fromEntries(transports.map(transport => [transport, new Model()]));
  const clients = Object.fromEntries(transports.map(transport => [transport, signal({ there: false, why: "" })]));
  const server = signal({ there: false, why: "" });
  const sockets = new Sockets();
  const all = Object.values(models);
  const stops = {}, after = {};
  const told = new Set(); // messages that we know to be published
  let log = null; // which log it is, by its epoch
  let echoes = 0; // our own settings that the server has yet to say back
  let worst_ms = Infinity; // how wrong a delay can be that was measured since the count began
  let anew = true, unseen = true; // with the server's next word about its clock, the count and the clients begin anew

  function learn(what, value) {
    if (what === "piece") {
      const model = models[value.transport] ?? null, before = model?.arrows.at(-1);
      if (model && value.direction === "up") clients[value.transport].value = { there: true, why: "" }; // the server has heard us
      return { model, fresh: model !== null && model.piece(value) !== before };
    }
    const model = models[what === "closed" ? (value.transport = sockets.closed(value.connection)) : value.transport] ?? null;
    const concerned = model ? [model] : all;
    if (what === "published") for (const one of all) one.published(value);
    else if (what === "arrived") model.arrived(value.message, value.at_ms);
    else if (what === "closed") model?.closed(value.connection, value.at_ms);
    else if (value.missed) value.missed.awaited = model.missed(value.missed.cursor, value.at_ms, value.text);
    else for (const one of concerned) value.offline ? one.offline(value.at_ms, value.text) : one.mark(value.at_ms, value.text);
    if (value.lost) sockets.resync();
    return { model, fresh: true };
  }

  const gate = new Gate(
    ({ what, value }) => {
      if (what === "piece") value = sockets.read(value);
      const { model, fresh } = learn(what, value);
      return on.news(what, value, model, fresh);
    },
    ({ what, value }) => what === "piece" && all.some(model => model.joins(value)),
    () => mark("the picture goes on by itself: more was waiting than this page can keep"),
  );
  const news = (what, value) => { gate.push({ what, value, at_ms: value.at_ms ?? value.published_ms, bytes: 200 + (value.base64?.length ?? 0) }); on.change(); };
  const mark = (text, more = {}) => news("mark", { transport: null, at_ms: now_ms(), text, ...more });

  const feed = watch(session, page, (what, value) => {
    if (what === "hello") hello(value);
    else if (what === "clock") {
      on.change();
      if (!feed.clock.known) return;
      if (anew) recount();
      // Who came back before this feed did has a connection that we have not seen from its beginning.
      if (unseen) for (const transport of transports) start(transport);
      anew = unseen = false;
    } else if (what === "settings") {
      echoes = Math.max(0, echoes - 1);
      if (!echoes) adopt(value);
    } else if (what === "lost_server") {
      if (server.value.there) mark("the server is lost", { offline: true });
      server.value = { there: false, why: value };
    } else if (what === "published") tell(value);
    else if (what === "lost") mark(`this page was too slow: ${value.things} things and ${size(value.up + value.down)} not seen`, { lost: true });
    else if (what === "piece" || what === "closed") news(what, value);
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
      mark("a new log has begun (the server has restarted, or nobody was watching): the count begins anew");
      anew = true;
    }
    log = epoch(there);
  }

  /** A message is published, as the feed says, or as we see when it arrives: whichever comes first. */
  function tell({ cursor, published_ms }) {
    if (told.has(cursor)) return;
    told.add(cursor);
    if (told.size > MESSAGES_KEPT) told.delete(told.values().next().value);
    news("published", { cursor, published_ms });
  }

  /** Receive, from where we are, with the settings as they are now. */
  function start(transport) {
    stops[transport]?.();
    let over = false;
    const unlessOver = action => value => { if (!over) action(value); };
    const { stop } = CLIENTS[transport].receive(`/s/${session}/${page}`, { after: after[transport], interval_s: values.interval, hold_s: values.hold, via: values.via }, {
      connected: unlessOver(() => { clients[transport].value = { there: true, why: "" }; }),
      lost: unlessOver(problem => { clients[transport].value = { there: false, why: problem.message }; }),
      missed: unlessOver(({ reason, cursor }) => {
        const before = after[transport], number = Number(sequence(cursor)) - Number(sequence(before));
        after[transport] = cursor;
        mark(MISSED[reason], { transport, missed: { cursor, reason, number: epoch(before) === epoch(cursor) ? number : null } });
      }),
      message: unlessOver(message => {
        const at_ms = now_ms();
        worst_ms = Math.max(worst_ms, feed.clock.uncertainty_ms);
        after[transport] = message.cursor;
        const pass = () => { tell(message); news("arrived", { transport, message, at_ms }); };
        behind_ms ? setTimeout(pass, behind_ms) : pass();
      }),
    });
    stops[transport] = () => { over = true; stop(); };
  }

  /** The counters speak of the settings as they are, and of what happens from now on, if our clock were late too. */
  function recount() {
    if (!feed.clock.known) return; // it will be done when it is
    worst_ms = feed.clock.uncertainty_ms;
    for (const model of all) model.reset(now_ms() - worst_ms);
    on.recount();
  }

  function saySettings() { echoes++; feed.say({ settings: { publish_hz: values.rate, delay_ms: values.delay, upgrades: values.upgrades } }); }

  function adopt({ publish_hz, delay_ms, upgrades }) {
    if (publish_hz === values.rate && delay_ms === values.delay && upgrades === values.upgrades) return;
    const before = values.upgrades;
    Object.assign(values, { rate: publish_hz, delay: delay_ms, upgrades });
    if (upgrades !== before) noteNetwork();
    on.settings();
    recount();
  }

  /** WebSocket gets through, or no longer: Socket.IO finds that out by itself, but tries again only when it connects. */
  function noteNetwork() {
    mark(NETWORK[values.upgrades]);
    if (values.upgrades === "pass" && stops.socket_io) start("socket_io");
  }

  return {
    session, models, clients, server, gate, now_ms, recount,
    get uncertainty_ms() { return worst_ms; },
    /** Change a setting. */
    set(name, value) {
      values[name] = value;
      if (OF_THE_SESSION.includes(name)) saySettings();
      if (name === "upgrades") noteNetwork();
      if (stops[RESTARTS[name]]) start(RESTARTS[name]);
      recount();
    },
    publish() { feed.say({ publish: `published by hand at ${new Date().toLocaleTimeString("en-GB")}` }); },
    cut() { mark("you cut the connection"); feed.say({ cut: true }); },
  };
}
