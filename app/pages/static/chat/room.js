// Somebody in the chat: joins, receives everything over one transport, and sends over the same. No drawing here.
//
// The server's log is the truth: a message is shown when it arrives from there, in its place, like everybody else's.
// Until then it is in the outbox. What is written without a connection waits there. Of what was on its way when the
// connection was lost, nobody knows whether it arrived, so sending it again is left to its writer.
import { signal } from "@preact/signals";
import { Clock, randomName } from "../live/feed.js";
import { TRANSPORTS } from "../transports/index.js";

export const PAUSE_S = 1; // of short polling, between a response and the next request
const HOLD_S = 25;
const SHOWN = 300; // messages; older ones leave the page
const PROBE_EVERY_MS = 2000;

/**
 * The room, from outside at first. Its signals:
 *
 *   line    { state: "outside" | "coming" | "there" | "lost", name, transport ("" outside), why: the server refuses us }
 *   people  [[name, transport]], who is present, as the last notice says
 *   shown   [{ cursor, name, text, people (a notice), over: the transport that brought it, arrived_ms: when, by our clock,
 *           live: not from before we joined, took_ms: since it was published (NaN: not known, or not live),
 *           own_ms: since Enter was pressed (null: not ours) }];
 *           or { cursor, missed }, where messages are missing: the reason
 *   cost    { requests, bytes } of our own connections, as of a moment ago, since we chose this transport
 *   outbox  [{ key, name, text, pressed_ms, state: "waiting" | "sent" | "failed",
 *           why: "changed", "lost", "left", or the server's words }]
 */
export function room() {
  const person = randomName() + randomName(); // known to nobody else: anyone who knows it can cut our connections
  const clock = new Clock();
  const line = signal({ state: "outside", name: "", transport: "", why: "" });
  const people = signal([]), shown = signal([]), outbox = signal([]), cost = signal({ requests: 0, bytes: 0 });
  let client = null, cursor = null, joined_ms = 0, visits = 0;

  const now = changes => { line.value = { ...line.value, ...changes }; };
  const show = one => { shown.value = [...shown.value, one].slice(-SHOWN); };
  const change = (one, changes) => { outbox.value = outbox.value.map(other => (other.key === one.key ? { ...other, ...changes } : other)); };
  const drop = one => { outbox.value = outbox.value.filter(other => other.key !== one.key); };
  const unsure = why => { for (const one of outbox.value) if (one.state === "sent") change(one, { state: "failed", why }); };
  const body = fields => new Blob([JSON.stringify({ person, ...fields })], { type: "application/json" });
  const goodbye = () => navigator.sendBeacon("/chat/leave", body()); // also from a page that is being closed

  let turn = Promise.resolve();
  /** One after the other: joins at the same time could overtake each other. */
  const inTurn = action => (turn = turn.catch(() => {}).then(action));

  /** Ask the chat itself: it responds even while our own connections are cut. */
  async function ask(what, fields) {
    const response = await fetch(`/chat/${what}`, { method: "POST", body: body(fields) });
    if (!response.ok) throw new Error((await response.json()).error);
    return response.status === 204 ? null : response.json();
  }

  /** Join, or change one's name or transport: nothing is missed in between. Rejects with the server's words. */
  const join = (name, transport) => inTurn(async () => {
    const visit = visits;
    const { after, server_ms } = await ask("join", { name, transport });
    if (visit !== visits) { goodbye(); return; } // we have left meanwhile
    const before = line.value.transport;
    now({ name, transport });
    cursor ??= after;
    if (!before) joined_ms = server_ms;
    if (transport !== before) start(transport);
  });

  function start(transport) {
    client?.stop();
    unsure("changed");
    let over = false;
    const unlessOver = action => value => { if (!over) action(value); };
    const { stop, publish } = TRANSPORTS[transport].receive(`/chat/${person}`, { after: cursor, pause_s: PAUSE_S, hold_s: HOLD_S }, {
      connected: unlessOver(() => { now({ state: "there", why: "" }); send(); }),
      lost: unlessOver(lost),
      missed: unlessOver(missed),
      message: unlessOver(message => receive(message, transport)),
    });
    client = { publish, stop() { over = true; stop(); } };
    now({ state: "coming", why: "" });
  }

  function lost() {
    now({ state: "lost" });
    unsure("lost");
    rejoin();
  }

  /** A server that has restarted, or that thinks we have left, no longer knows us; joining twice does no harm. */
  function rejoin() {
    // The client reconnects until it succeeds, and so this is tried again too.
    inTurn(async () => {
      const { name, transport } = line.value;
      if (transport) now({ why: await ask("join", { name, transport }).then(() => "", problem => problem.message) });
    });
  }

  function missed({ reason, cursor: there }) {
    cursor = there;
    if (reason === "restarted") { joined_ms = -Infinity; clock.forget(); probe(); }
    show({ cursor: `missed before ${there}`, missed: reason });
  }

  function receive(message, over) {
    cursor = message.cursor;
    if (message.people) people.value = message.people;
    const own = outbox.value.find(({ name, text, state }) => state !== "waiting" && name === message.name && text === message.text);
    if (own) drop(own);
    const arrived_ms = performance.now();
    show(timed({ ...message, over, arrived_ms, live: message.published_ms > joined_ms, took_ms: NaN, own_ms: own ? arrived_ms - own.pressed_ms : null }));
  }

  /** A message with how long it took; or as it was, as long as the server's clock is not known. */
  function timed(one) {
    if (!one.live || !Number.isNaN(one.took_ms) || !clock.known) return one;
    return { ...one, took_ms: Math.max(0, clock.now() - (performance.now() - one.arrived_ms) - one.published_ms) };
  }

  function say(text) {
    outbox.value = [...outbox.value, { key: randomName(), name: line.value.name, text, pressed_ms: performance.now(), state: "waiting", why: "" }];
    send();
  }

  /** What waits, one after the other: requests at the same time could overtake each other. */
  async function send() {
    const mine = client;
    if (!mine || mine.sending) return;
    mine.sending = true;
    for (let one; client === mine && line.value.state === "there" && (one = outbox.value.find(({ state }) => state === "waiting"));) {
      change(one, { state: "sent" });
      await mine.publish({ text: one.text, name: one.name }).catch(problem => {
        change(one, { state: "failed", why: problem.message });
        if (client === mine) rejoin();
      });
    }
    mine.sending = false;
  }

  function leave() {
    visits++;
    client?.stop();
    client = null;
    unsure("left");
    if (line.value.transport) goodbye();
    now({ state: "outside", transport: "", why: "" });
  }

  /** What time it is at the server, and what we cost it, by plain requests: they get through wherever the page does. */
  async function probe() {
    do {
      const sent_ms = performance.now();
      const now = await ask("now").catch(() => null);
      if (!now) return;
      clock.learn(sent_ms, now.server_ms, performance.now());
      cost.value = now;
    } while (!clock.known);
    shown.value = shown.value.map(timed);
  }
  probe();
  setInterval(probe, PROBE_EVERY_MS);

  return {
    line, people, shown, cost, outbox, join, leave, say, drop,
    again(one) { change(one, { state: "waiting", why: "" }); send(); },
    cut: () => ask("cut"),
  };
}
