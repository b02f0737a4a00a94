// The sockets of this page, from the server's tap: decodes every piece, and says which transport it belongs to.
import { TRANSPORTS } from "../transports/index.js";
import { Connection } from "./connection.js";

const decoder = new TextDecoder();

/** Base64 as the feed has it, as bytes. */
const bytesOf = base64 => Uint8Array.from(atob(base64), character => character.charCodeAt(0));

/** `short_poll` for /s/SESSION/PAGE/short-poll?after=...; the last part of any path, with a slash behind it or not. */
const transportOf = target => target.split("?")[0].replace(/\/$/, "").split("/").at(-1).replace(/[-.]/g, "_");

const framing = target => TRANSPORTS[transportOf(target)]?.framing ?? null;

export class Sockets {
  #sockets = new Map();

  /** A piece as the feed tells it: { connection, direction, at_ms, delay_ms, size, base64 }. */
  read({ connection, direction, at_ms, delay_ms, base64 }) {
    const socket = this.#at(connection);
    const bytes = bytesOf(base64);
    const { parts, facts } = socket.decoder.read(direction, bytes);
    const request = facts.find(fact => fact.type === "request");
    if (request) {
      socket.transport = transportOf(request.target);
      request.lastEventId = parts.filter(part => part.kind === "request_header").map(({ start, end }) => decoder.decode(bytes.subarray(start, end)))
        .find(line => /^last-event-id:/i.test(line))?.split(":")[1].trim();
    }
    return { connection, transport: socket.transport, direction, at_ms, arrives_ms: at_ms + delay_ms, bytes, parts, facts };
  }

  /** Returns the transport that it served last. */
  closed(connection) {
    const transport = this.#sockets.get(connection)?.transport ?? null;
    this.#sockets.delete(connection);
    return transport;
  }

  /** We have not been looking: nothing that we knew holds any more. */
  forget() { this.#sockets.clear(); }

  /** Some pieces were lost: nothing is understood until the next request. */
  resync() { for (const { decoder } of this.#sockets.values()) decoder.resync(); }

  #at(connection) {
    if (!this.#sockets.has(connection)) this.#sockets.set(connection, { decoder: new Connection(framing), transport: null });
    return this.#sockets.get(connection);
  }
}
