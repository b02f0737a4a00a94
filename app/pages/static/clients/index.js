// Every transport's client, in teaching order. Each is receive(url, options, tell) -> { stop, publish }:
// publish({ text, name }) is a promise of the message that it becomes, and rejects with the server's words;
// WebSocket's promises no more than that it is sent.
import * as short_poll from "./short_poll.js";
import * as long_poll from "./long_poll.js";
import * as sse from "./sse.js";
import * as websocket from "./websocket.js";
import * as socket_io from "./socket_io.js";

export const CLIENTS = { short_poll, long_poll, sse, websocket, socket_io };
